import Foundation

/// One entry of the fault matrix: what happens to which of two ranks, and where.
struct FaultCase: CustomStringConvertible {
    enum Kind: String, CaseIterable {
        case exception, kill = "SIGKILL", stop = "SIGSTOP", exit = "exit(0)", full = "full disk", error = "I/O error"
        case removed = "removed output", damaged = "damaged checkpoint", nan = "NaN", slow = "slow rank"

        /// What the shim calls it.
        var wish: String {
            switch self {
            case .exception: "refuse"
            case .kill: "kill"
            case .stop: "stop"
            case .exit: "exit"
            case .full: "full"
            case .error: "error"
            case .removed: "remove"
            case .damaged: "damage"
            case .nan: "nan"
            case .slow: "slow"
            }
        }
    }

    enum Phase: String, CaseIterable {
        case loading, attack, backward, allReduce = "all-reduce", checkpoint, tables, evaluation, evaluate, experts
    }

    let kind: Kind
    let rank: Int
    let phase: Phase

    var description: String { "\(kind.rawValue) on rank \(rank) in \(phase.rawValue)" }

    /// How the text begins that the rank tells of its place then.
    var place: String {
        switch phase {
        case .loading: "the loading of images"
        case .attack: "step 5, attack"
        case .backward, .allReduce: "step 5, backward"
        case .checkpoint: rank == 0 ? "step 6, writing" : "step 6, checkpoint"
        case .tables: "step 8, tables"
        case .evaluation, .evaluate, .experts: "evaluation, chunk"
        }
    }

    /// What it may end a job with; 0 is to survive.
    var statuses: Set<Int> {
        switch kind {
        case .exception, .stop, .exit: [6]
        case .kill, .damaged: [128 + Int(SIGKILL)]
        case .full, .error: [4, 7]
        // What is made anew before anything was in it is no loss.
        case .removed: phase == .loading ? [0] : [4, 7]
        case .nan: [5]
        case .slow: [0]
        }
    }

    /// The newest checkpoint then.
    var newestStep: Int { phase == .tables ? 6 : 4 }

    /// What the job must say of the fault; empty where it is survived.
    func phrases(folder: String) -> [String] {
        let own = "[rank \(rank)@"
        return switch kind {
        case .exception: [own, "MPI_ERR_OTHER"]
        case .kill, .damaged: ["process rank \(rank) ", "signal 9"]
        case .stop: ["rank \(rank) (host ", "is silent for", "last in \(place)"]
        case .exit: [own, "a call of exit"]
        case .full: [own, folder, "No space left on device"]
        case .error: [own, folder, "Input/output error"]
        case .removed: phase == .loading ? [] : [own, folder]
        case .nan: ["step 5", "expected a finite number"]
        case .slow: []
        }
    }

    /// All cases: faults of the disk come to rank 0, which alone writes; of a removed directory or a damaged file it does not
    /// matter who does it; a NaN comes where gradients are.
    static let all: [FaultCase] = Phase.allCases.flatMap { phase in
        Kind.allCases.flatMap { kind in
            ranks(of: kind, in: phase).map { FaultCase(kind: kind, rank: $0, phase: phase) }
        }
    }

    private static func ranks(of kind: Kind, in phase: Phase) -> [Int] {
        switch kind {
        case .exception, .kill, .stop, .exit, .slow: [0, 1]
        case .full, .error, .removed: [0]
        case .damaged: phase == .loading ? [] : [0]
        case .nan: phase == .backward || phase == .allReduce ? [0, 1] : []
        }
    }
}

/// The library that lets ranks meet faults, made from its C sources where there is a compiler for MPI.
enum RankFaults {
    static let library: String? = FileFaults.library(
        of: ["rank_faults.c", "file_faults.c"], compilers: ["mpicc"])

    /// What the ranks of a job are started with to meet a fault.
    static func environment(_ fault: FaultCase, folder: String, path: String) -> [String: String] {
        var variables = [
            "ROBUSTMOE_FAULT_RANK": "\(fault.rank)", "ROBUSTMOE_FAULT_PLACE": fault.place,
            "ROBUSTMOE_FAULT_KIND": fault.kind.wish, "ROBUSTMOE_FAULT_PATH": path, "ROBUSTMOE_FAULT_UNDER": folder,
            "ROBUSTMOE_FAULT_MARK": folder + "/mark", "ROBUSTMOE_FAULT_SECONDS": "2.5",
        ]
        if fault.phase == .allReduce { variables["ROBUSTMOE_FAULT_CALL"] = "sum" }
        return variables
    }
}
