import Evaluation
import Files
import Foundation

/// What rank 0 says to the person who started the run: whole lines, at once, also into a pipe.
package enum Console {
    /// Prints a line to stdout; what could steer the terminal is shown escaped, see `String.printable`.
    package static func print(_ text: String) {
        // Nobody may be listening any more: that ends no run.
        try? FileHandle.standardOutput.write(contentsOf: Data((text.printable + "\n").utf8))
    }

    static func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
    static func percent(_ value: Double) -> String { String(format: "%.1f%%", 100 * value) }

    /// One line about an evaluation's inputs, with the 95% interval.
    static func line(_ input: EvaluationResult.Inputs) -> String {
        let bounds = WilsonInterval.bounds(correct: input.correct, samples: input.samples)
        return "\(input.name): \(percent(input.accuracy)) "
            + "[\(percent(bounds.low)), \(percent(bounds.high))] of \(input.samples), loss \(fixed(input.taskLoss, 3))"
    }
}
