import Evaluation
import Files
import Logging

/// What rank 0 keeps of an evaluation until it is whole, and says of it.
///
/// Nothing is written before the first finished chunk or line of progress, so that what cannot begin leaves nothing.
final class EvaluationRecord {
    /// What is finished.
    let unfinished: UnfinishedEvaluation
    private let directory: RunDirectory
    private let recorder: RunRecorder
    private let describe: (RunDirectory) throws -> Void
    private lazy var reporter = EvaluationReporter { [self] in try recorder.sayProgress($0) }

    /// Opens the directory.
    /// - Parameters:
    ///   - identity: What is evaluated.
    ///   - resumes: Whether to go on with what the directory has, if there is anything.
    ///   - describe: Writes what runs, how and where, when there are results.
    init(
        _ path: String, _ identity: UnfinishedEvaluation.Identity, runID: String, resumes: Bool,
        describe: @escaping (RunDirectory) throws -> Void
    ) throws {
        self.describe = describe
        directory = try RunDirectory(path, opening: .resume)
        recorder = RunRecorder(directory, runID: runID)
        guard resumes, FileSystem.exists(directory.file(RunDirectory.unfinishedName)) else {
            try directory.removeUnfinished()
            unfinished = UnfinishedEvaluation(directory, identity)
            return
        }
        unfinished = try UnfinishedEvaluation(resuming: directory, identity)
        try say("goes on with the evaluation in \(path)")
        if let kernel = unfinished.otherKernel {
            try say(
                "finished chunks were computed with BLAS kernel \(kernel), this host picks another: the rest is right, but "
                    + "not bit for bit what that one would give", .warning)
        }
    }

    /// Says something on the console, if it says what is of this level, and in the log.
    func say(_ text: String, _ level: Logger.Level = .info) throws { try recorder.say(text, level) }

    /// Says now and then how far it has come.
    func report(_ progress: EvaluationProgress) throws { try reporter.report(progress) }

    /// Makes room for the results, which are all there now, and returns what writes them.
    func replaceResults() throws -> RunRecorder {
        try directory.removeResults(before: unfinished.logBytes)
        try describe(directory)
        return recorder
    }
}
