import ArgumentParser
import Collectives
import Foundation
import Training

/// Runs a command on all ranks and ends the job with the right status whatever happens on one of them.
enum Job {
    /// Reads the configuration before MPI starts; only the rank that its launcher calls 0 says what is wrong with it.
    static func configuration(_ layers: [ConfigurationLayer]) throws -> RunConfiguration {
        do {
            return try RunConfiguration.resolve(layers: layers)
        } catch {
            speak(error.description)
            throw ExitCode(ExitStatus.usage.rawValue)
        }
    }

    /// Prints what concerns the whole job, from the rank that its launcher calls 0.
    static func speak(_ text: String, isError: Bool = true) {
        guard LaunchEnvironment.current.isRoot else { return }
        if isError { complain(text) } else { Console.print(text) }
    }

    /// Calls `body` with the communicator; its errors end all ranks with their status.
    static func run(timeoutSeconds: Double, _ body: (any Communicator) throws -> ExitStatus) throws {
        // A dead reader of stdout must not kill a run.
        signal(SIGPIPE, SIG_IGN)
        let status: ExitStatus
        do {
            status = try withCommunicator(timeoutSeconds: timeoutSeconds) { communicator in
                do {
                    return try body(communicator)
                } catch {
                    complain("[rank \(communicator.rank)@\(communicator.hostName)] error: \(error)")
                    // An error that all ranks find at once is explained best by rank 0: let it speak first.
                    if !communicator.isRoot { usleep(500_000) }
                    communicator.abort(exitCode: ExitStatus(error).rawValue)
                }
            }
        } catch {
            complain("error: \(error)")
            throw ExitCode(ExitStatus(error).rawValue)
        }
        if status != .done { throw ExitCode(status.rawValue) }
    }

    private static func complain(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }
}
