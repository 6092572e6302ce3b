import Foundation
import Testing

/// The built command as a user runs it: a child process, alone or under `mpirun`, that cannot outlive its time.
final class CommandJob {
    /// What a job came to.
    struct Outcome {
        /// The exit status; 128 and the signal's number for a process that a signal ended.
        let status: Int
        let output: String
        let errors: String
        let seconds: Double
        /// Whether a launcher started the command.
        let isLaunched: Bool

        /// The lines of stderr that are the command's own, without what `mpirun` adds.
        var complaints: [String] {
            errors.split(separator: "\n").map(String.init).filter { !isLaunched || $0.hasPrefix("[rank ") }
        }
    }

    private let process = Process()
    private let output: String
    private let errors: String
    private let start = ContinuousClock.now
    private let isLaunched: Bool

    /// Starts the command, or another program; `ranks` nil means without `mpirun`.
    init(
        _ arguments: [String], program: String = CommandJob.binary, ranks: Int? = nil,
        environment: [String: String] = [:]
    ) throws {
        let folder = try Scratch.folder()
        output = folder + "/stdout"
        errors = folder + "/stderr"
        isLaunched = ranks != nil || program == CommandJob.mpirun
        let own = [program] + arguments
        let line = ranks.map { [CommandJob.mpirun ?? "mpirun", "--oversubscribe", "-np", "\($0)"] + own } ?? own
        process.executableURL = URL(fileURLWithPath: line[0])
        process.arguments = Array(line.dropFirst())
        process.environment = CommandJob.environment.merging(environment) { $1 }
        process.standardOutput = try CommandJob.newFile(output)
        process.standardError = try CommandJob.newFile(errors)
        process.standardInput = FileHandle.nullDevice
        // Threads that run tests block most signals, and a child process would inherit that.
        var none = sigset_t()
        var before = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try process.run()
    }

    /// Sends a signal to the process that was started: `mpirun`, or the command itself.
    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// The processes of the ranks.
    var rankProcesses: [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { CommandJob.parent(of: $0) == process.processIdentifier }
    }

    /// Waits until something is so, while the job runs.
    func wait(within seconds: Double = 60, until condition: () throws -> Bool) throws {
        while try !condition() {
            if !process.isRunning || elapsed > seconds {
                Issue.record("the job did not come so far: \(text(output)) \(text(errors))")
                throw CancellationError()
            }
            usleep(1000)
        }
    }

    /// Waits for the end; a job that takes longer than its time is ended, which fails the test.
    func finish(within seconds: Double = 120) -> Outcome {
        while process.isRunning {
            if elapsed > seconds {
                Issue.record("the job hangs: \(process.arguments ?? [])")
                let ranks = rankProcesses
                for id in ranks + [process.processIdentifier] { kill(id, SIGKILL) }
                break
            }
            usleep(5000)
        }
        process.waitUntilExit()
        let bySignal = process.terminationReason == .uncaughtSignal
        return Outcome(
            status: Int(process.terminationStatus) + (bySignal ? 128 : 0), output: text(output), errors: text(errors),
            seconds: elapsed, isLaunched: isLaunched)
    }

    private var elapsed: Double { (ContinuousClock.now - start) / .seconds(1) }

    private func text(_ path: String) -> String {
        String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }

    private static func newFile(_ path: String) throws -> FileHandle {
        try Data().write(to: URL(fileURLWithPath: path))
        return try #require(FileHandle(forWritingAtPath: path))
    }

    private static func parent(of id: pid_t) -> pid_t? { status(of: id).flatMap { pid_t($0[1]) } }

    /// Whether processes are gone, or dead and only not yet noticed by whoever inherited them: `mpirun` may end a moment
    /// before the ranks that it killed.
    static func haveEnded(_ ids: [pid_t], within seconds: Double) -> Bool {
        let start = ContinuousClock.now
        while !ids.allSatisfy({ status(of: $0).map { $0[0] == "Z" } ?? true }) {
            if ContinuousClock.now - start > .seconds(seconds) { return false }
            usleep(5000)
        }
        return true
    }

    /// What the system says of a process, from its state and its parent on.
    private static func status(of id: pid_t) -> [Substring]? {
        guard let text = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8) else { return nil }
        // The name before it may hold spaces and brackets.
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].dropFirst().split(separator: " ")
        return fields.count > 1 ? fields : nil
    }

    /// The command stands beside the program of the tests.
    static let binary =
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path + "/robustmoe"

    static let mpirun = path(of: "mpirun")

    static func path(of program: String) -> String? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return folders.map { "\($0)/\(program)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    static var hasMPI: Bool { mpirun != nil }
    static func has(_ program: String) -> Bool { path(of: program) != nil }
    static let isUnderMPI = ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_SIZE"] != nil

    private static let environment: [String: String] = {
        let launchers = ["OMPI_", "PMIX_", "PMI_", "SLURM_", "ROBUSTMOE_"]
        var variables = ProcessInfo.processInfo.environment.filter { variable in
            !launchers.contains { variable.key.hasPrefix($0) }
        }
        variables["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
        variables["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        return variables
    }()
}

/// Runs the command to its end.
func robustmoe(
    _ arguments: [String], ranks: Int? = nil, environment: [String: String] = [:]
) throws -> CommandJob.Outcome {
    try CommandJob(arguments, ranks: ranks, environment: environment).finish()
}

/// The tests of the command: one at a time, since each has the machine's cores busy, and never themselves under MPI.
@Suite("The command", .serialized, .enabled(if: !CommandJob.isUnderMPI, "starts MPI jobs of its own"))
enum CommandSuite {}
