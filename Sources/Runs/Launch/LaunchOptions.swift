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
}
