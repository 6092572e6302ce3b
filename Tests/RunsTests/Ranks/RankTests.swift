import Foundation
import Testing

@testable import Collectives

/// The communicator that all tests of this process share: MPI can be started once.
@MainActor
enum Ranks {
    static let communicator: any Communicator = {
        guard LaunchEnvironment.current.isLaunched else { return SoloCommunicator() }
        do throws(CollectiveError) {
            let communicator = try MPICommunicator.start()
            communicator.timeoutSeconds = 60
            atexit { MPICommunicator.finish() }
            return communicator
        } catch {
            fatalError("\(error)")
        }
    }()
}

/// Training over the ranks of a job, against what one process computes on the whole batch.
///
/// Holds for any number of ranks; a plain process is one rank, and then several shards stand in for ranks. One
/// serialized suite holds all tests, because every rank has to run them in the same order.
@Suite("Training over ranks", .serialized)
@MainActor
enum RankTests {}
