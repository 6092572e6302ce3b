/// How many threads each rank runs, and what the user should know about it.
public struct ThreadPlacement: Equatable, Sendable {
    /// The number of threads of each rank, by rank; at least 1.
    public let threads: [Int]
    /// A line for each host, such as `node01: 2 ranks x 1 thread on 2 cores (cores 0-1)`.
    public let summary: [String]
    /// A line for each thing that will make the job slow; usually none.
    public let warnings: [String]
}

extension NodeTopology {
    /// Chooses the number of threads of every rank.
    ///
    /// - Parameter requested: threads of each rank, at least 1; nil chooses the cores of a host, or its quota of
    ///   processor time where that is less, divided by its ranks, rounded down, but at least 1 and no more than the cores
    ///   that the rank is bound to.
    /// - Returns: the choice, with a warning for each host on which ranks are bound to fewer cores than they have
    ///   threads, as Open MPI does by itself with one or two ranks (`--bind-to core`), and for each host whose threads
    ///   exceed the cores that the ranks could have, or the quota.
    public func chooseThreads(requested: Int?) -> ThreadPlacement {
        precondition((requested ?? 1) >= 1, "expected at least 1 thread a rank, found \(requested ?? 1)")
        var threads = [Int](repeating: 1, count: hosts.reduce(0) { $0 + $1.ranks.count })
        var summary: [String] = []
        var warnings: [String] = []
        for host in hosts {
            let share = Int(min(Double(host.cores.count), host.quota ?? .infinity)) / host.ranks.count
            let chosen = host.masks.map { requested ?? max(1, min(share, $0.count)) }
            for (rank, count) in zip(host.ranks, chosen) { threads[rank] = count }
            summary.append(host.summary(threads: chosen))
            warnings += host.warnings(threads: chosen)
        }
        return ThreadPlacement(threads: threads, summary: summary, warnings: warnings)
    }
}

extension NodeTopology.Host {
    fileprivate func summary(threads: [Int]) -> String {
        let fewest = threads.min() ?? 1
        let most = threads.max() ?? 1
        let perRank = fewest == most ? counted(most, "thread") : "\(fewest) to \(most) threads"
        let share = cores.count < onlineCores ? "\(cores.count) of \(onlineCores) cores" : counted(cores.count, "core")
        let limit = narrowQuota.map { ", of which the job may use \($0)" } ?? ""
        return "\(name): \(counted(ranks.count, "rank")) x \(perRank) on \(share) (\(named(cores)))\(limit)"
    }

    fileprivate func warnings(threads: [Int]) -> [String] {
        var warnings: [String] = []
        let crowded = ranks.indices.filter { threads[$0] > masks[$0].count && masks[$0].count < onlineCores }
        if let first = crowded.first {
            let others = crowded.count == 1 ? "" : ", and so for \(counted(crowded.count - 1, "other rank"))"
            warnings.append(
                "\(name): rank \(ranks[first]) runs \(counted(threads[first], "thread")) but is bound to "
                    + "\(counted(masks[first].count, "core")) (\(named(masks[first])))\(others); "
                    + "start mpirun with --bind-to none, or with --map-by slot:PE=\(threads[first])")
        }
        let total = threads.reduce(0, +)
        let available = crowded.isEmpty ? cores.count : onlineCores
        if total > available {
            warnings.append(
                "\(name): \(counted(total, "thread")) of \(counted(ranks.count, "rank")) share "
                    + "\(counted(available, "core")); use fewer ranks or threads")
        } else if let narrowQuota, Double(total) > narrowQuota {
            warnings.append(
                "\(name): \(counted(total, "thread")) of \(counted(ranks.count, "rank")) share a quota of "
                    + "\(narrowQuota) cores of processor time; use fewer ranks or threads, or ask for more")
        }
        return warnings
    }

    /// The quota where it is less than the cores.
    private var narrowQuota: Double? { quota.flatMap { $0 < Double(cores.count) ? $0 : nil } }

    private func named(_ cores: CoreSet) -> String {
        "\(cores.count == 1 ? "core" : "cores") \(cores)"
    }

    private func counted(_ count: Int, _ noun: String) -> String {
        "\(count) \(noun)\(count == 1 ? "" : "s")"
    }
}
