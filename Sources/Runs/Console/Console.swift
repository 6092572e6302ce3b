import Evaluation
import Files
import Foundation
import Logging
import Networks

/// What rank 0 says to the person who started the run: whole lines, at once, also into a pipe.
package enum Console {
    private static let logger = Logger(label: "robustmoe")

    /// Lets what is of this level or above be said, from the first line on; called once, before anything is said.
    ///
    /// Warnings are of level `warning`, results `notice`, what happens meanwhile `info`, and what is of use where something
    /// is looked for `debug`.
    package static func begin(_ level: Logger.Level) {
        LoggingSystem.bootstrap { _ in ConsoleHandler(logLevel: level) }
        if level > .info { LiveLine.isWanted.store(false, ordering: .relaxed) }
    }

    /// Says a line, if its level is one that is said; a warning's begins with that word.
    package static func say(_ text: String, _ level: Logger.Level = .info) {
        logger.log(level: level, "\(level == .warning ? warningMark : "")\(text)")
    }

    /// What a line that is a warning begins with.
    static let warningMark = "warning: "

    /// Prints a line to stdout, whatever is said; what could steer the terminal is shown escaped, see `String.printable`.
    package static func print(_ text: String) {
        LiveLine.clear()
        // Nobody may be listening any more: that ends no run.
        try? FileHandle.standardOutput.write(contentsOf: Data((text.printable + "\n").utf8))
    }

    static func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
    static func percent(_ value: Double) -> String { String(format: "%.1f%%", 100 * value) }

    /// In how many layers experts are collapsed or dead, and the worst of these, which has the lowest entropy of use; nil
    /// where all is well.
    static func routingWarning(_ result: EvaluationResult) -> String? {
        let alarms = result.inputs.flatMap { input in
            input.layers.compactMap { layer in
                layer.alarm(samples: input.samples).map { (alarm: $0, layer: layer, inputs: input.name) }
            }
        }
        func use(_ layer: ExpertUsage) -> Double { layer.usageEntropy ?? 0 }
        guard let worst = alarms.min(by: { use($0.layer) < use($1.layer) }), let all = result.inputs.first?.layers
        else {
            return nil
        }
        let shares = worst.layer.sums.chosen.indices.map { percent(worst.layer.fraction($0) ?? 0) }
        return
            "experts of \(Set(alarms.map(\.layer.layer)).count) of \(all.count) layers are collapsed or dead; worst is "
            + "\(worst.layer.layer) on \(worst.inputs) (\(worst.alarm.rawValue)), whose experts get "
            + "\(shares.joined(separator: ", ")); routing.csv has all"
    }
}
