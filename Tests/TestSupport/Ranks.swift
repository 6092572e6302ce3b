import Collectives
import Glibc

/// The communicator that all tests of this process share: MPI can be started once.
@MainActor
package enum Ranks {
    /// MPI's under a launcher, else one of this process alone.
    package static let communicator: any Communicator = {
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
