import Collectives
import Files

extension RunLock {
    /// Takes the lock of a session's directory; of all ranks the first has it.
    static func taken(_ directory: String, _ communicator: any Communicator) throws -> RunLock? {
        guard communicator.isRoot else { return nil }
        return try RunLock(directory, holder: .current(host: communicator.hostName, job: SchedulerJob.current?.id))
    }
}
