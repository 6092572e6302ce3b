import Files
import Foundation

/// The hosts that a job may use, and who said so.
package struct Allocation: Equatable, Sendable {
    /// What may be used of one host.
    package struct Host: Equatable, Sendable {
        /// Its name or address.
        package let name: String
        /// The ranks that were asked for on it; nil where nobody asked for a number.
        package var ranks: Int?
        /// The processors that were given on it, as the scheduler counts them; nil means all of them.
        package var processors: Int?
    }

    /// Who said so, in words, such as `Slurm's job 4711`.
    package let source: String
    /// The hosts, each once, in the order in which they are filled.
    package let hosts: [Host]
    /// The threads of a rank that were asked for, in processors; nil where nobody did.
    package var processorsPerRank: Int?
    /// Whether Open MPI finds the hosts by itself.
    package var isKnownToLauncher = false

    /// This machine alone.
    package static let thisMachine = Allocation(source: "this machine", hosts: [Host(name: "localhost")])

    /// What a hostfile says: its slots are ranks.
    package static func hostfile(_ path: String) throws -> Allocation {
        let hosts = try HostList(file: path).hosts.map { Host(name: $0.name, ranks: $0.slots) }
        return Allocation(source: path, hosts: hosts)
    }

    /// What a scheduler says in the environment of a job; nil outside of one.
    ///
    /// - Parameters:
    ///   - variables: The environment.
    ///   - text: Returns the text of a file.
    /// - Throws: ``Files/RunError/unusable(_:)`` where it cannot be understood.
    package static func scheduled(
        _ variables: [String: String], text: (String) throws -> String = { try FileSystem.text(of: $0) }
    ) throws -> Allocation? {
        try slurm(variables) ?? portableBatchSystem(variables, text) ?? loadSharingFacility(variables)
    }

    /// Slurm's: tasks count only where somebody asked for them, since it says 1 a host otherwise.
    private static func slurm(_ variables: [String: String]) throws(RunError) -> Allocation? {
        guard let list = variables["SLURM_JOB_NODELIST"] ?? variables["SLURM_NODELIST"] else { return nil }
        let names = try SlurmNotation.hosts(list)
        func counts(_ name: String) throws(RunError) -> [Int]? {
            guard let text = variables[name] else { return nil }
            guard let counts = SlurmNotation.counts(text), counts.count == names.count else {
                throw RunError.unusable(
                    "\(name) is \(text), expected a count for each of the \(names.count) hosts, such as 2(x3),1")
            }
            return counts
        }
        let asked = variables["SLURM_NTASKS"] != nil || variables["SLURM_NTASKS_PER_NODE"] != nil
        let tasks = asked ? try counts("SLURM_TASKS_PER_NODE") : nil
        let processors = try counts("SLURM_JOB_CPUS_PER_NODE")
        let hosts = names.enumerated().map { index, name in
            Host(name: name, ranks: tasks.map { max(1, $0[index]) }, processors: processors?[index])
        }
        return Allocation(
            source: "Slurm's job \(variables["SLURM_JOB_ID"] ?? "")", hosts: hosts,
            processorsPerRank: variables["SLURM_CPUS_PER_TASK"].flatMap { Int($0) }, isKnownToLauncher: true)
    }

    /// PBS's: a host stands in its file once a rank (`mpiprocs`) or, by TORQUE, once a processor (`ppn`).
    private static func portableBatchSystem(
        _ variables: [String: String], _ text: (String) throws -> String
    ) throws -> Allocation? {
        guard let path = variables["PBS_NODEFILE"] else { return nil }
        let hosts = try HostList(text: try text(path), origin: path).hosts
        let isTorque = variables["PBS_NUM_PPN"] != nil
        let ofHost = variables["NCPUS"].flatMap { Int($0) }
        // One rank on every host is what PBS writes where nobody has asked for a number.
        let asked = !isTorque && hosts.contains { ($0.slots ?? 1) > 1 }
        return Allocation(
            source: "PBS's job \(variables["PBS_JOBID"] ?? "")",
            hosts: hosts.map { host in
                let count = host.slots ?? 1
                return Host(name: host.name, ranks: asked ? count : nil, processors: isTorque ? count : ofHost)
            })
    }

    /// LSF's: pairs of a host and its slots, each of which is a processor.
    private static func loadSharingFacility(_ variables: [String: String]) throws(RunError) -> Allocation? {
        guard let list = variables["LSB_MCPU_HOSTS"] else { return nil }
        let words = list.split(separator: " ").map(String.init)
        func mistake() -> RunError {
            .unusable("LSB_MCPU_HOSTS is \(list), expected hosts and their slots such as node01 16 node02 16")
        }
        guard !words.isEmpty, words.count % 2 == 0 else { throw mistake() }
        var hosts: [Host] = []
        for index in stride(from: 0, to: words.count, by: 2) {
            guard let slots = Int(words[index + 1]), slots >= 1 else { throw mistake() }
            hosts.append(Host(name: words[index], processors: slots))
        }
        return Allocation(source: "LSF's job \(variables["LSB_JOBID"] ?? "")", hosts: hosts)
    }
}
