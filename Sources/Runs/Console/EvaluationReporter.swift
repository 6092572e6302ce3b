import Evaluation

/// Tells, now and then, how far an evaluation has come.
final class EvaluationReporter {
    /// Time between two lines.
    private static let interval = Duration.seconds(10)

    private let say: (String) throws -> Void
    private var last = ContinuousClock.now

    /// Makes a reporter of what says a line.
    init(_ say: @escaping (String) throws -> Void) { self.say = say }

    /// Takes note of the progress, and says it if the last line is long ago.
    func report(_ progress: EvaluationProgress) throws {
        guard ContinuousClock.now - last > Self.interval else { return }
        last = .now
        try say(Console.line(progress))
    }
}
