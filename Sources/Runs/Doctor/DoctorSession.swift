import Collectives
import Files
import Foundation
import Tensors

/// One invocation of `robustmoe doctor`: what a run needs, on every host of the job, and what to type where it is missing.
package struct DoctorSession: Sendable {
    private let output: String
    private let asJSON: Bool
    private let launch: [DoctorCheck]

    /// Makes a session.
    /// - Parameter output: The directory that runs are to be written to.
    package init(output: String, asJSON: Bool) {
        self.output = output
        self.asJSON = asJSON
        launch = LaunchChecks.run()
    }

    /// Ends here, with what is wrong, where MPI would not come up as it was meant to.
    /// - Returns: The status to end with; nil where the checks can go on.
    package func stopBeforeMPI() throws -> ExitStatus? {
        guard launch.contains(where: { $0.status == .error }) else { return nil }
        if LaunchEnvironment.current.isRoot { try tell(DoctorReport(named(launch, currentHostName()))) }
        return .environment
    }

    /// Looks at everything and tells; collective.
    package func run(_ communicator: any Communicator) throws -> ExitStatus {
        MatrixProduct.useOneThread()
        let topology = try NodeTopology.gather(communicator)
        let network = NetworkChecks(communicator: communicator, topology: topology)
        var own: [DoctorCheck] = []
        // One rank speaks for its host.
        if communicator.localRank == 0 {
            own =
                HostChecks(ranksOfHost: communicator.localSize, ranks: communicator.size).run() + network.library
                + [network.interfaces()]
            own = named(own, communicator.hostName)
        }
        let gathered = try communicator.gather(Array(JSONEncoder().encode(own)), to: 0)
        let all = try gathered.flatMap { try JSONDecoder().decode([DoctorCheck].self, from: Data($0)) }
        let program = try sameProgram(communicator)
        let storage = try storageChecks(communicator)
        let clocks = try network.clocks()
        let sums = try network.sums()
        let order = all.map(\.check).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        let report = DoctorReport(
            launch + order.flatMap { name in all.filter { $0.check == name } } + network.placement() + [program]
                + storage
                + [clocks].compactMap { $0 } + sums)
        if communicator.isRoot { try tell(report) }
        let status = try communicator.allReduce(Int64(communicator.isRoot ? report.exitStatus : 0), .max)
        return status == 0 ? .done : .environment
    }

    private func tell(_ report: DoctorReport) throws {
        if asJSON { Console.print(try JSONEncoder.ofPlans.text(report)) } else { report.lines.forEach(Console.print) }
    }

    private func named(_ checks: [DoctorCheck], _ host: String) -> [DoctorCheck] {
        checks.map { check in
            var check = check
            check.hosts = [host]
            return check
        }
    }

    private func sameProgram(_ communicator: any Communicator) throws -> DoctorCheck {
        let text = RankAgreement.program["program"] ?? ""
        do {
            try RankAgreement(RankAgreement.program).require(communicator)
            return .ok("program", text)
        } catch let error as RunError {
            return .error("program", "\(error)", advice: "install the same build on all hosts (launch/install PREFIX)")
        }
    }

    /// The directory of runs: rank 0 writes, and all hosts read when a run is resumed.
    private func storageChecks(_ communicator: any Communicator) throws -> [DoctorCheck] {
        var checks: [DoctorCheck] = []
        let probe = "\(output)/.robustmoe-doctor"
        let isNew = !FileSystem.exists(output)
        if communicator.isRoot {
            checks.append(StorageCheck.run(output))
            if communicator.size > 1, checks[0].status != .error {
                try FileSystem.createDirectory(output)
                try FileSystem.replace(probe, with: "")
            }
        }
        try communicator.barrier()
        let sees = FileSystem.exists(probe)
        let blind = try communicator.gather(Array((sees ? "" : communicator.hostName).utf8), to: 0)
            .map { String(decoding: $0, as: UTF8.self) }.filter { !$0.isEmpty }
        guard communicator.isRoot, communicator.size > 1, checks[0].status != .error else { return checks }
        unlink(probe)
        if isNew { rmdir(output) }
        if !blind.isEmpty {
            checks.append(
                .error(
                    "shared directory",
                    "\(output) of rank 0 is not to be seen on \(Set(blind).sorted().joined(separator: ", "))",
                    advice:
                        "a run directory on a file system that all hosts share: --resume reads its checkpoints on all of them"
                ))
        } else {
            checks.append(.ok("shared directory", "all hosts see \(output)"))
        }
        return checks
    }
}
