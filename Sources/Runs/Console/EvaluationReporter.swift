import Evaluation

/// Tells how far an evaluation has come: now and then in a line that stays, and all the time in the live one.
final class EvaluationReporter {
    /// The least time between two lines; they come more seldom, the longer it takes.
    private static let interval = Duration.seconds(10)
    /// Lines in the time that has passed, where that makes them more seldom.
    private static let lines = 60

    private let say: (String) throws -> Void
    private let start = ContinuousClock.now
    private var last = ContinuousClock.now

    /// Makes a reporter of what says a line.
    init(_ say: @escaping (String) throws -> Void) { self.say = say }

    /// Shows the progress, and says it if the last line is long ago.
    func report(_ progress: EvaluationProgress) throws {
        LiveLine.show(Console.shortLine(progress))
        let now = ContinuousClock.now
        guard now - last > max(Self.interval, (now - start) / Self.lines) else { return }
        last = now
        try say(Console.line(progress))
    }
}
