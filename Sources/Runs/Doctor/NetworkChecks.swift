import Collectives
import Foundation

/// How the ranks of a job reach each other: MPI and its transports, interfaces, clocks, and the rate of sums.
struct NetworkChecks {
    private static let lengths = [1 << 20, 64 << 20]

    let communicator: any Communicator
    let topology: NodeTopology

    /// MPI and its transports, as this rank sees them.
    var library: [DoctorCheck] {
        guard communicator is MPICommunicator else {
            return [.ok("mpi", "\(MPICommunicator.libraryVersion), not started")]
        }
        let transports = MPITransports.loaded
        return [
            .ok("mpi", "\(MPICommunicator.libraryVersion), thread level \(MPICommunicator.threadLevel)"),
            .ok("transports", transports.isEmpty ? "built into the library" : transports.joined(separator: ", ")),
        ]
    }

    /// The interfaces of this host with their addresses.
    func interfaces() -> DoctorCheck {
        let all = Self.addresses()
        let text = all.map { "\($0.name) \($0.address)" }.joined(separator: ", ")
        let virtual = all.map(\.name).filter { name in
            ["docker", "virbr", "br-", "lxc"].contains { name.hasPrefix($0) }
        }
        if topology.hosts.count > 1, let first = virtual.first,
            ProcessInfo.processInfo.environment[MPITransports.networksVariable] == nil
        {
            return .warning(
                "interfaces", text,
                advice:
                    "\(first) leads nowhere: export \(MPITransports.networksVariable)=NETWORK/BITS, and the same for oob_tcp_if_include"
            )
        }
        return topology.hosts.count > 1 && all.isEmpty
            ? .error("interfaces", "none but the loopback", advice: "connect the hosts")
            : .ok("interfaces", text.isEmpty ? "none but the loopback" : text)
    }

    /// The addresses of interfaces that are up, without loopbacks and addresses of one link.
    static func addresses() -> [(name: String, address: String)] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var found: [(String, String)] = []
        var next = list
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard let address = entry.ifa_addr, entry.ifa_flags & UInt32(IFF_UP) != 0,
                entry.ifa_flags & UInt32(IFF_LOOPBACK) == 0
            else { continue }
            let family = Int32(address.pointee.sa_family)
            let length = family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
            guard family == AF_INET || family == AF_INET6 else { continue }
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            guard getnameinfo(address, socklen_t(length), &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0
            else { continue }
            let name = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if !name.hasPrefix("fe80:") { found.append((String(cString: entry.ifa_name), name)) }
        }
        return found
    }

    /// Ranks and threads on each host, and what binds them wrongly; the same on all ranks.
    func placement() -> [DoctorCheck] {
        let placement = topology.chooseThreads(requested: nil)
        return placement.summary.map { .ok("placement", $0) }
            + placement.warnings.map {
                .warning("placement", $0, advice: "launch/train binds ranks as their threads want")
            }
    }

    /// How far the hosts' clocks are apart; collective, told by rank 0.
    ///
    /// All ranks look at their clocks when a barrier lets them go: of many times, the middle one.
    func clocks() throws -> DoctorCheck? {
        guard topology.hosts.count > 1 else { return nil }
        var differences = [[Double]](repeating: [], count: communicator.size)
        for _ in 0..<21 {
            try communicator.barrier()
            let all = try communicator.allGather([Date().timeIntervalSince1970])
            for (rank, time) in all.enumerated() { differences[rank].append(time - all[0]) }
        }
        let middle = differences.map { $0.sorted()[$0.count / 2] }
        let (low, high) = (middle.min() ?? 0, middle.max() ?? 0)
        let text = "clocks are within \(Console.significant((high - low) * 1000)) ms"
        return high - low > 1
            ? .warning("clocks", text, advice: "let the hosts keep time by NTP: logs and files would seem out of order")
            : .ok("clocks", text)
    }

    /// The sums of gradients beside the rate of a link; collective, told by rank 0.
    func sums() throws -> [DoctorCheck] {
        guard communicator.size > 1 else { return [] }
        let rate = try linkRate()
        var checks: [DoctorCheck] = []
        for bytes in Self.lengths {
            var values = [Float](repeating: 0, count: bytes / MemoryLayout<Float>.stride)
            var times: [Double] = []
            // Short sums are soon disturbed.
            for _ in 0..<(bytes > 8 << 20 ? 4 : 20) {
                try communicator.barrier()
                let start = ContinuousClock.now
                try communicator.allReduce(&values, .sum)
                times.append((ContinuousClock.now - start) / .seconds(1))
            }
            let seconds = try communicator.allReduce(times.dropFirst().min() ?? 0, .max)
            let moved = 2 * Double(communicator.size - 1) / Double(communicator.size) * Double(bytes)
            checks.append(Self.sum(bytes: bytes, seconds: seconds, moved: moved, link: rate))
        }
        return checks
    }

    /// What the time of a sum means beside the rate of a link, in bytes a second.
    static func sum(bytes: Int, seconds: Double, moved: Double, link: Double) -> DoctorCheck {
        let own = moved / seconds
        let text =
            "\(bytes >> 20) MiB in \(Console.significant(seconds * 1000)) ms: \(Console.significant(own * 8 / 1e9)) Gbit/s of the "
            + "\(Console.significant(link * 8 / 1e9)) Gbit/s between rank 0 and the last"
        // Short sums are bound by latency, and all ranks of a host share its link.
        return own < link / 20
            ? .warning(
                "all-reduce", text,
                advice:
                    "one interface for Open MPI: export \(MPITransports.networksVariable)=NETWORK/BITS; bind the ranks (launch/train)"
            )
            : .ok("all-reduce", text)
    }

    /// Bytes a second from the last rank, which lies on another host if any does, to rank 0.
    private func linkRate() throws -> Double {
        let message = [UInt8](repeating: 1, count: 16 << 20)
        let last = communicator.size - 1
        var seconds: [Double] = []
        for _ in 0..<4 {
            try communicator.barrier()
            let start = ContinuousClock.now
            if communicator.rank == last { try communicator.post(message, to: 0) }
            if communicator.rank == 0 {
                var isHere = false
                try communicator.wait(for: "a message of the last rank") {
                    if try communicator.collect() != nil { isHere = true }
                    return isHere
                }
            }
            let own = (ContinuousClock.now - start) / .seconds(1)
            // Nobody else sends meanwhile.
            try communicator.barrier()
            seconds.append(try communicator.allReduce(communicator.rank == 0 ? own : 0, .max))
        }
        return Double(message.count) / (seconds.dropFirst().min() ?? 1)
    }
}
