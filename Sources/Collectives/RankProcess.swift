import Foundation

/// A rank of this process's job on this host, as the system's list of processes shows it.
///
/// Nobody asks the rank itself, which may stand still.
struct RankProcess: Equatable {
    /// The rank.
    let rank: Int
    /// The number of its process.
    let process: Int32
    /// Whether a signal or a debugger has stopped it.
    let isStopped: Bool
    /// The names of its threads.
    let threads: Set<String>

    /// The ranks of a job that run here, ascending; none where the launcher does not tell jobs apart.
    ///
    /// Of a rank that runs in a wrapper, such as a shell that waits for it, the process that has got furthest counts.
    /// - Parameters:
    ///   - thread: The name of a thread that only a rank which has got far enough has.
    ///   - folder: Where the system shows its processes.
    static func all(of launch: LaunchEnvironment, with thread: String, folder: String = "/proc") -> [RankProcess] {
        guard let job = launch.job else { return [] }
        var found: [Int: RankProcess] = [:]
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            // Those of other users cannot be read, and are none of this job's.
            guard let id = Int32(name), let variables = variables("\(folder)/\(name)/environ") else { continue }
            let environment = LaunchEnvironment(variables)
            guard environment.job == job, environment.isLaunched else { continue }
            let process = RankProcess(environment.rank, id, "\(folder)/\(name)")
            let isFurther = found[environment.rank].map { !$0.threads.contains(thread) && !$0.isStopped } ?? true
            if isFurther { found[environment.rank] = process }
        }
        return found.values.sorted { $0.rank < $1.rank }
    }

    private init(_ rank: Int, _ process: Int32, _ folder: String) {
        self.rank = rank
        self.process = process
        let status = kernelText("\(folder)/stat") ?? ""
        // The state follows the program's name, which may hold anything.
        let state = status.lastIndex(of: ")").map { status[$0...].dropFirst(2).first }
        isStopped = state == "T" || state == "t"
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/task")) ?? []
        threads = Set(
            tasks.compactMap {
                kernelText("\(folder)/task/\($0)/comm")?.split(separator: "\n").first.map(String.init)
            })
    }

    /// The variables that a process was started with.
    private static func variables(_ path: String) -> [String: String]? {
        guard let bytes = kernelBytes(path) else { return nil }
        let pairs = bytes.split(separator: 0).compactMap { line -> (String, String)? in
            let parts = String(decoding: line, as: UTF8.self).split(separator: "=", maxSplits: 1)
            return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
        }
        return Dictionary(pairs) { first, _ in first }
    }
}

/// A rank of this host that others wait for in a call which MPI does not return from before all have made it.
public struct StandingRank: Equatable, Sendable {
    /// The rank.
    public let rank: Int
    /// The number of its process.
    public let process: Int32
    /// Whether a signal or a debugger has stopped it; else it has not made the call.
    public let isStopped: Bool

    /// Makes a value of its parts.
    public init(rank: Int, process: Int32, isStopped: Bool) {
        self.rank = rank
        self.process = process
        self.isStopped = isStopped
    }
}
