import Collectives
import Files
import Foundation

/// What a person says about where a job runs; what is not said is found out.
package struct LaunchOptions: Sendable {
    /// A hostfile; nil means the scheduler's hosts, or this machine.
    package var hostfile: String?
    /// What a rank gets to itself; nil lets ``RankLayout`` choose.
    package var unit: RankLayout.Unit?
    /// The ranks of the whole job; nil means all that fit.
    package var ranks: Int?
    /// The threads of a rank; nil means its cores.
    package var threads: Int?

    /// Makes options that leave all to be found out.
    package init() {}

    /// Finds out where the job runs, from the hostfile, the scheduler's environment and this machine.
    package func layout(
        _ environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> (allocation: Allocation, layout: RankLayout) {
        let allocation =
            try hostfile.map { try Allocation.hostfile($0) } ?? Allocation.scheduled(environment) ?? .thisMachine
        let layout = try RankLayout(
            allocation, machine: MachineShape(), unit: unit, ranks: ranks, threads: threads,
            quota: ControlGroup.ofThisProcess().processorQuota)
        return (allocation, layout)
    }

    /// The layout of the job that this process is a rank of, unless a person asks for another one.
    ///
    /// A rank that is bound to cores sees no more of its machine than these.
    /// - Parameter topology: The hosts of the job's ranks.
    package func layout(ofJob topology: NodeTopology) throws -> (allocation: Allocation, layout: RankLayout) {
        let isJob = topology.hosts.reduce(0) { $0 + $1.ranks.count } > 1
        guard isJob, hostfile == nil, unit == nil, ranks == nil else { return try layout() }
        let hosts = topology.hosts.map { Allocation.Host(name: $0.name, ranks: $0.ranks.count) }
        let chosen = topology.chooseThreads(requested: threads).threads.max() ?? 1
        let allocation = Allocation(source: "this job", hosts: hosts)
        let layout = try RankLayout(
            allocation, machine: MachineShape(allowed: topology.hosts[0].cores), threads: chosen)
        return (allocation, layout)
    }
}
