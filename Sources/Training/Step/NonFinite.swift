import Files

/// What a run does about a step in which a value is not finite.
package enum NonFinitePolicy: String, CaseIterable, Sendable {
    /// It ends.
    case stop
    /// The step changes nothing, and the next one follows.
    case skip
    /// The run goes back to its newest checkpoint.
    case rollback
}

/// Steps that changed nothing, because a value in them was not finite; kept with checkpoints.
package struct SkippedSteps: Codable, Equatable, Sendable {
    /// As many in a row end a run: then it is not a step that is at fault.
    package static let mostInARow = 10

    /// All of them since the run began.
    package private(set) var count = 0
    /// Those right before the next step.
    package private(set) var inARow = 0

    /// None.
    package init() {}

    /// Takes note of a step that changed nothing.
    /// - Parameter finding: What was not finite, and where, in words.
    /// - Throws: ``Files/RunError/numerical(_:)`` where it is one too many.
    package mutating func skip(_ finding: String) throws {
        count += 1
        inARow += 1
        guard inARow < Self.mostInARow else {
            throw RunError.numerical(
                "\(finding) That is the step number \(inARow) in a row that changed nothing, expected fewer than "
                    + "\(Self.mostInARow)")
        }
    }

    /// Takes note of a step that moved weights.
    package mutating func step() { inARow = 0 }
}

/// What a step found not to be finite: thrown on all ranks at the same place, in words that rank 0 has whole.
struct NonFiniteValue: Error {
    let finding: String
}
