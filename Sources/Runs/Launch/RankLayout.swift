import Collectives
import Files

/// How many ranks and threads each host of a job gets, and the words that make Open MPI's `mpirun` start them so.
package struct RankLayout: Equatable, Sendable {
    /// What a rank gets to itself.
    package enum Unit: String, CaseIterable, Sendable {
        /// One core, and one thread.
        case core
        /// The cores of a NUMA domain.
        case domain
        /// All cores of a host.
        case host
        /// An equal part of a host's cores: there are as many ranks as the hostfile or the scheduler says.
        case slot
    }

    /// The ranks of one host.
    package struct Host: Equatable, Sendable {
        package let name: String
        package var ranks: Int
        /// The threads of each rank.
        package var threads: Int
        /// The cores that the job may use there.
        package let cores: Int
    }

    /// What the ranks were made of.
    package let unit: Unit
    /// The hosts with at least one rank.
    package let hosts: [Host]
    private let allocation: Allocation

    /// The ranks of all hosts.
    package var ranks: Int { hosts.reduce(0) { $0 + $1.ranks } }
    /// The most threads that a rank has.
    package var threads: Int { hosts.map(\.threads).max() ?? 1 }

    /// Chooses.
    ///
    /// Cores of other hosts are taken to lie together as those of this machine do, as far as the scheduler gives them.
    /// - Parameters:
    ///   - unit: What a rank gets; nil takes the numbers of the hostfile or the scheduler, where there are any, and a NUMA domain
    ///     for each rank elsewhere.
    ///   - ranks: The ranks of the whole job, which fill one host after the other; nil means all that fit.
    ///   - threads: The threads of a rank; nil means its cores.
    ///   - quota: The processor time per time that this machine's job may use, in cores; nil where it has no limit.
    /// - Throws: ``Files/RunError/unusable(_:)`` where a number of ranks is wanted and nobody has said one, or does not fit.
    package init(
        _ allocation: Allocation, machine: MachineShape, unit: Unit? = nil, ranks: Int? = nil, threads: Int? = nil,
        quota: Double? = nil
    ) throws(RunError) {
        let isCounted = allocation.hosts.contains { $0.ranks != nil }
        let chosen = unit ?? (isCounted ? .slot : .domain)
        if chosen == .slot, !isCounted {
            throw RunError.unusable(
                "--ranks-per slot: expected a number of ranks for a host from \(allocation.source), found none")
        }
        var hosts: [Host] = []
        for host in allocation.hosts {
            let whole = host.processors.map { max(1, $0 / machine.processorsPerCore) } ?? machine.cores
            let cores = max(1, min(whole, quota.map { Int($0) } ?? whole))
            let domains = max(1, machine.domains.count * cores / machine.cores)
            let count =
                switch chosen {
                case .core: cores
                case .domain: domains
                case .host: 1
                case .slot: host.ranks ?? 1
                }
            let asked =
                chosen == .slot ? allocation.processorsPerRank.map { max(1, $0 / machine.processorsPerCore) } : nil
            hosts.append(
                Host(name: host.name, ranks: count, threads: threads ?? asked ?? max(1, cores / count), cores: cores))
        }
        if let ranks {
            let room = hosts.reduce(0) { $0 + $1.ranks }
            guard (1...room).contains(ranks) else {
                throw RunError.unusable(
                    "--ranks is \(ranks), expected 1 to \(room), a rank for each \(chosen.rawValue) of \(allocation.source)"
                )
            }
            var left = ranks
            for index in hosts.indices {
                hosts[index].ranks = min(left, hosts[index].ranks)
                left -= hosts[index].ranks
            }
        }
        self.unit = chosen
        self.hosts = hosts.filter { $0.ranks > 0 }
        self.allocation = allocation
    }

    /// Whether more threads than cores would run somewhere.
    package var isCrowded: Bool { hosts.contains { $0.ranks * $0.threads > $0.cores } }

    /// The hosts with their ranks, such as `node01:2,node02:1`.
    package var hostWord: String { hosts.map { "\($0.name):\($0.ranks)" }.joined(separator: ",") }

    /// `mpirun` and its options, up to the program; each rank is bound to cores of its own, unless there are too few.
    ///
    /// Open MPI binds one or two ranks to one core each by itself, whatever threads they have.
    package var launcherWords: [String] {
        var words = ["mpirun", "-np", "\(ranks)"]
        let isHere = allocation == .thisMachine
        let counts = Set(hosts.map(\.ranks))
        // A scheduler's hosts are named only where not all of them, or not all alike, are used.
        let isAll = hosts.count == allocation.hosts.count && counts.count == 1
        if !isHere, !(allocation.isKnownToLauncher && isAll) {
            words += ["--host", hostWord]
        }
        if isCrowded { return words + ["--map-by", "slot", "--bind-to", "none", "--oversubscribe"] }
        let place = counts.count == 1 ? "ppr:\(hosts[0].ranks):node" : "slot"
        return words + ["--map-by", "\(place):PE=\(threads)", "--bind-to", "core"]
    }

    /// What was chosen, a line for all hosts or for each group of hosts that are alike.
    package var summary: [String] {
        var groups: [(host: Host, names: [String])] = []
        for host in hosts {
            let same = groups.firstIndex {
                ($0.host.ranks, $0.host.threads, $0.host.cores) == (host.ranks, host.threads, host.cores)
            }
            if let same { groups[same].names.append(host.name) } else { groups.append((host, [host.name])) }
        }
        return groups.map { host, names in
            let who =
                names.count > 2
                ? "\(names[0]) to \(names[names.count - 1]) (\(names.count) hosts)" : names.joined(separator: ", ")
            return "\(who): \(host.ranks) rank\(host.ranks == 1 ? "" : "s") x \(host.threads) "
                + "thread\(host.threads == 1 ? "" : "s") on \(host.cores) core\(host.cores == 1 ? "" : "s")"
                + (names.count > 1 ? " each" : "")
        }
    }
}
