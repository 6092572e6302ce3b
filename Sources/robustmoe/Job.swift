import ArgumentParser
import Collectives
import Configuration
import Files
import Foundation
import Runs
import Synchronization

/// Runs a command on all ranks and ends the job with the right status whatever happens on one of them.
enum Job {
    /// Reads the configuration before MPI starts; only the rank that its launcher calls 0 says what is wrong with it.
    static func configuration(_ layers: [ConfigurationLayer]) throws -> RunConfiguration {
        try prepare { try RunConfiguration.resolve(layers: layers) }
    }

    /// Does what comes before MPI starts, the same on every rank; its error ends the job with its status.
    static func prepare<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch {
            speak("error: \(error)")
            throw ExitCode(ExitStatus(error).rawValue)
        }
    }

    /// Prints what concerns the whole job, from the rank that its launcher calls 0.
    static func speak(_ text: String, isError: Bool = true) {
        guard LaunchEnvironment.current.isRoot else {
            if isError { letRankZeroSpeak() }
            return
        }
        if isError { complain(text) } else { Console.print(text) }
    }

    /// Waits a moment: the first rank that leaves with an error takes the others down, their messages with them.
    private static func letRankZeroSpeak() {
        // The launcher ends the others by SIGTERM, which is no request for a checkpoint any more.
        signal(SIGTERM, SIG_DFL)
        usleep(2_000_000)
    }

    /// Calls `body` with the communicator; its errors end all ranks with their status.
    static func run(timeoutSeconds: Double, _ body: (any Communicator) throws -> ExitStatus) throws {
        // A dead reader of stdout must not kill a run.
        signal(SIGPIPE, SIG_IGN)
        // Whoever ends this process in the middle with 0, or with a status that is none of ours, ends the job with 6.
        isUnderWay.store(true, ordering: .relaxed)
        atexit { Job.refuseEarlyEnd() }
        let status: ExitStatus
        do {
            status = try withCommunicator(timeoutSeconds: timeoutSeconds, giveUp: giveUp) { communicator in
                defer { isUnderWay.store(false, ordering: .relaxed) }
                do {
                    return try body(communicator)
                } catch {
                    isUnderWay.store(false, ordering: .relaxed)
                    // An error that all ranks find at once is told once, by rank 0, which ends the job meanwhile.
                    if !communicator.isRoot { letRankZeroSpeak() }
                    complain("error: \(error)")
                    communicator.abort(exitCode: ExitStatus(error).rawValue)
                }
            }
        } catch {
            isUnderWay.store(false, ordering: .relaxed)
            complain("error: \(error)")
            throw ExitCode(ExitStatus(error).rawValue)
        }
        if status != .done { throw ExitCode(status.rawValue) }
    }

    /// Whether a command's work has begun and not ended.
    private static let isUnderWay = Atomic<Bool>(false)

    /// Ends the process as a rank that failed, if it is ended while its job goes on: launchers may take a 0 for success, and let
    /// the others wait.
    private static func refuseEarlyEnd() {
        guard isUnderWay.load(ordering: .relaxed) else { return }
        complain("error: a call of exit ends this process in the middle of its work; expected that to be done first")
        _exit(ExitStatus.peer.rawValue)
    }

    /// Ends this process, upon which the launcher ends the others: MPI, which could do that, has not started or not ended.
    private static let giveUp: @Sendable (CollectiveError) -> Never = { error in
        complain("error: \(error)")
        _exit(ExitStatus(error).rawValue)
    }

    /// Prints to stderr, under a launcher every line with the rank and the host that say it.
    ///
    /// What could steer the terminal is escaped.
    private static func complain(_ text: String) {
        LiveLine.clear()
        let launch = LaunchEnvironment.current
        let speaker = launch.isLaunched ? "[rank \(launch.rank)@\(currentHostName())] " : ""
        let lines = text.printable.split(separator: "\n").map { "\(speaker)\($0)\n" }
        try? FileHandle.standardError.write(contentsOf: Data(lines.joined().utf8))
    }
}
