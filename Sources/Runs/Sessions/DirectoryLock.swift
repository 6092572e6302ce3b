import Collectives
import Files
import Foundation

extension RunLock {
    /// Takes the lock of a session's directory; of all ranks the first has it.
    static func taken(_ directory: String, _ communicator: any Communicator) throws -> RunLock? {
        guard communicator.isRoot else { return nil }
        let variables = ProcessInfo.processInfo.environment
        let job = ["SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID"].compactMap { variables[$0] }.first
        return try RunLock(directory, holder: .current(host: communicator.hostName, job: job))
    }
}
