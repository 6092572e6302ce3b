import Evaluation
import Files
import Foundation
import NetworkAttacks

/// What of an evaluation a paper can quote: every accuracy with its attack, norm, radius, steps, number of images and
/// interval, the hash of the weights, and rows for tables.
struct EvaluationSummary {
    /// One accuracy.
    private struct Entry {
        let name: String
        /// What was done to the images; nil of clean ones.
        let attack: String?
        /// What of that a table's head says, where other columns tell the rest.
        let head: String?
        let correct: Int
    }

    private let subject: EvaluationSubject
    private let samples: Int
    private let entries: [Entry]

    /// Sums up a result.
    init(_ result: EvaluationResult, _ subject: EvaluationSubject) {
        self.subject = subject
        samples = result.samples
        var entries = result.inputs.map {
            Entry(name: $0.name, attack: $0.attack?.words, head: $0.attack?.words, correct: $0.correct)
        }
        let attacks = result.inputs.compactMap(\.attack)
        if !attacks.isEmpty {
            let all = attacks.map { "\($0.id): \($0.words)" }.joined(separator: "; ")
            entries.append(
                Entry(
                    name: "worst case\(result.suffix)", attack: all,
                    head: attacks.count == 1 ? all : "of all \(attacks.count) attacks",
                    correct: result.worstCaseCorrect))
        }
        self.entries = entries
    }

    /// The lines: sentences, then a Markdown table of one row, then the row in LaTeX.
    var lines: [String] {
        let hash = subject.sha256.map { ", SHA-256 \($0)" } ?? ""
        return ["\(subject.checkpoint)\(hash), on \(samples) images of \(subject.dataset), \(subject.split):"]
            + entries.map { entry in
                "  \(entry.name)\(entry.attack.map { " (\($0))" } ?? ""): \(Console.accuracy(entry.correct, of: samples))"
            } + markdown + latex
    }

    private func percent(_ share: Double) -> String { Console.fixed(100 * share, 1) }

    private func cell(_ entry: Entry, _ low: String, _ high: String) -> String {
        let bounds = WilsonInterval.bounds(correct: entry.correct, samples: samples)
        let share = Double(entry.correct) / Double(max(1, samples))
        return "\(percent(share)) \(low)[\(percent(bounds.low)), \(percent(bounds.high))]\(high)"
    }

    private var weights: String { subject.sha256.map { String($0.prefix(12)) } ?? "not hashed" }

    private var markdown: [String] {
        func row(_ cells: [String]) -> String {
            "| " + cells.map { $0.replacingOccurrences(of: "|", with: "\\|") }.joined(separator: " | ") + " |"
        }
        let titles = entries.map { "\($0.name)\($0.head.map { " (\($0))" } ?? ""), %" }
        let heads = ["weights", "SHA-256", "data", "images"] + titles
        return [
            row(heads), row(heads.map { _ in "---" }),
            row(
                [subject.checkpoint, weights, "\(subject.dataset) \(subject.split)", "\(samples)"]
                    + entries.map { cell($0, "", "") }),
        ]
    }

    private var latex: [String] {
        func escaped(_ text: String) -> String {
            text.map { "#$%&_{}".contains($0) ? "\\\($0)" : String($0) }.joined()
        }
        let titles = entries.map { "\($0.name)\($0.head.map { " (\($0))" } ?? "")" }
        return [
            "% weights (SHA-256) & images & " + titles.joined(separator: " & "),
            (["\(escaped(subject.checkpoint)) (\\texttt{\(weights)})", "\(samples)"]
                + entries.map { cell($0, "{\\scriptsize ", "}") }).joined(separator: " & ") + " \\\\",
        ]
    }
}
