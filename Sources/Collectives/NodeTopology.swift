/// Which ranks run on which host, and on which of its cores each may run.
public struct NodeTopology: Equatable, Sendable {
    /// Where one rank runs.
    public struct Place: Equatable, Sendable {
        /// The host's name.
        public let host: String
        /// The number of cores of the host that are online, whoever may use them.
        public let onlineCores: Int
        /// The cores that the rank may run on.
        public let mask: CoreSet
        /// The processor time per time that the rank's job may use on the host, in cores; nil where it has no limit.
        public let quota: Double?

        /// Makes the place of a rank on `host` that may run on `mask`, a part of `onlineCores` cores.
        public init(host: String, onlineCores: Int, mask: CoreSet, quota: Double? = nil) {
            self.host = host
            self.onlineCores = onlineCores
            self.mask = mask
            self.quota = quota
        }
    }

    /// The ranks of one host.
    public struct Host: Equatable, Sendable {
        /// The host's name.
        public let name: String
        /// The number of cores that are online, whoever may use them.
        public let onlineCores: Int
        /// The ranks on the host, ascending.
        public let ranks: [Int]
        /// The cores that each of ``ranks`` may run on, in the same order.
        public let masks: [CoreSet]
        /// The processor time per time that the job may use on the host, in cores; nil where it has no limit.
        ///
        /// Ranks of a host are taken to share the narrowest quota that one of them has.
        public let quota: Double?

        /// The cores that at least one of the host's ranks may run on.
        public var cores: CoreSet { CoreSet(masks.flatMap(\.numbers)) }
    }

    /// The hosts, in the order of their lowest ranks.
    public let hosts: [Host]

    /// Makes the topology of a job whose rank r runs at `places[r]`.
    ///
    /// Ranks whose hosts have the same name are taken to share a host.
    public init(places: [Place]) {
        var names: [String] = []
        var members: [String: [Int]] = [:]
        for (rank, place) in places.enumerated() {
            if members[place.host] == nil { names.append(place.host) }
            members[place.host, default: []].append(rank)
        }
        hosts = names.map { name in
            let ranks = members[name] ?? []
            return Host(
                name: name, onlineCores: ranks.map { places[$0].onlineCores }.max() ?? 0, ranks: ranks,
                masks: ranks.map { places[$0].mask }, quota: ranks.compactMap { places[$0].quota }.min())
        }
    }

    /// The number of ranks on the host of a rank, itself included.
    public func ranksBeside(_ rank: Int) -> Int { hosts.first { $0.ranks.contains(rank) }?.ranks.count ?? 1 }

    /// Returns the topology of the job, the same on every rank; every rank must call it.
    public static func gather(_ communicator: any Communicator) throws(CollectiveError) -> NodeTopology {
        let quota = ControlGroup.ofThisProcess().processorQuota.map { "\($0)" } ?? "none"
        let own = "\(CoreSet.ofThisProcess())\n\(CoreSet.onlineCount)\n\(quota)\n\(communicator.hostName)"
        let (bytes, counts) = try communicator.allGatherCounted(Array(own.utf8))
        let places = zip(counts, runningStarts(of: counts)).map { count, start in
            let text = String(decoding: bytes[start..<start + count], as: UTF8.self)
            let fields = text.split(separator: "\n", maxSplits: 3, omittingEmptySubsequences: false)
            guard fields.count == 4, let mask = CoreSet(parsing: String(fields[0])), let online = Int(fields[1]) else {
                preconditionFailure("expected a mask, a count of cores, a quota and a host name, found \(text)")
            }
            return Place(host: String(fields[3]), onlineCores: online, mask: mask, quota: Double(fields[2]))
        }
        return NodeTopology(places: places)
    }
}
