import Collectives
import Foundation

/// The cores of this machine that a job may use, as they lie together.
package struct MachineShape: Equatable, Sendable {
    /// The processors by which the kernel schedules in each core that may be used; one of each core stands for it.
    package let processorsPerCore: Int
    /// The cores of each NUMA domain, each by its first processor; never empty, nor is any of them.
    package let domains: [CoreSet]

    /// The number of cores.
    package var cores: Int { domains.reduce(0) { $0 + $1.count } }

    /// Makes a shape.
    package init(domains: [CoreSet], processorsPerCore: Int = 1) {
        self.domains = domains
        self.processorsPerCore = processorsPerCore
    }

    /// Reads what the kernel tells of this machine.
    ///
    /// Source: the kernel's documentation, admin-guide/cputopology.rst and admin-guide/mm/numaperf.rst.
    /// - Parameters:
    ///   - folder: Where the kernel shows its devices.
    ///   - allowed: The processors that may be used.
    package init(folder: String = "/sys/devices/system", allowed: CoreSet = .ofThisProcess()) {
        func list(_ path: String) -> CoreSet? {
            (try? String(contentsOfFile: "\(folder)/\(path)", encoding: .utf8)).flatMap {
                CoreSet(parsing: $0.trimmingCharacters(in: .whitespacesAndNewlines))
            }
        }
        let usable = Set(allowed.numbers)
        var seen: Set<Int> = []
        var cores: [Int] = []
        var most = 1
        for processor in allowed.numbers where !seen.contains(processor) {
            let siblings = list("cpu/cpu\(processor)/topology/thread_siblings_list")?.numbers ?? [processor]
            seen.formUnion(siblings + [processor])
            most = max(most, siblings.count)
            cores.append(processor)
        }
        let nodes = list("node/online")?.numbers ?? []
        let domains = nodes.compactMap { list("node/node\($0)/cpulist") }
            .map { domain in CoreSet(cores.filter { usable.contains($0) && domain.numbers.contains($0) }) }
            .filter { $0.count > 0 }
        // Machines without such domains are one.
        let isWhole = domains.reduce(0) { $0 + $1.count } == cores.count
        self.init(domains: isWhole && !domains.isEmpty ? domains : [CoreSet(cores)], processorsPerCore: most)
    }
}
