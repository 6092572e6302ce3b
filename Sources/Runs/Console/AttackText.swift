import Evaluation
import Files
import Foundation
import NetworkAttacks

/// What a person must know of an attack to make something of an accuracy under it: norm, radius and steps.
extension EvaluatedAttack {
    /// Such as `linf, radius 8/255, 10 steps`; of a ladder the steps of each stage.
    var words: String {
        guard isLadder else { return stages[0].description.words }
        let common = description
        let of = stages.map { "\($0.id) \($0.description.stepWords)" }.joined(separator: ", ")
        return "\(common.ballWords), on what is still right: \(of)"
    }
}

extension NetworkAttack.Description {
    var words: String { "\(ballWords), \(stepWords)" }

    /// Such as `linf, radius 8/255`.
    var ballWords: String { "\(norm?.rawValue ?? "no norm"), radius \(Self.text(epsilon))" }

    /// Such as `10 steps`, or `10 steps, 5 restarts`.
    var stepWords: String {
        guard let steps else { return "no steps" }
        let restarts = restarts ?? 1
        return "\(steps) step\(steps == 1 ? "" : "s")" + (restarts > 1 ? ", \(restarts) restarts" : "")
    }

    /// A radius in 255ths where it is a whole number of them, below 1.
    static func text(_ radius: Double) -> String {
        let levels = (radius * 255).rounded()
        return (1..<255).contains(levels) && abs(radius * 255 - levels) <= 1e-6
            ? "\(Int(levels))/255" : String(format: "%g", radius)
    }
}

extension Console {
    /// An accuracy with its 95% interval and the number of images.
    static func accuracy(_ correct: Int, of samples: Int) -> String {
        let bounds = WilsonInterval.bounds(correct: correct, samples: samples)
        return "\(percent(Double(correct) / Double(max(1, samples)))) "
            + "[\(percent(bounds.low)), \(percent(bounds.high))] of \(samples) images"
    }

    /// One line about an evaluation's inputs, with the 95% interval; of an attack with what it may do.
    static func line(_ input: EvaluationResult.Inputs) -> String {
        let name = input.name + (input.attack.map { " (\($0.words))" } ?? "")
        return "\(name): \(accuracy(input.correct, of: input.samples)), loss \(fixed(input.taskLoss, 3))"
    }

    /// One line about how far an evaluation has come.
    static func line(_ progress: EvaluationProgress) -> String {
        var place = ""
        if let at = progress.place {
            let attack = progress.attacks[at.attack]
            place =
                ", rank 0 at \(attack.name(ofStage: at.stage))"
                + (attack.isLadder ? " (stage \(at.stage + 1) of \(attack.stages.count))" : "")
        }
        let names = ["clean"] + progress.attacks.map { "\($0.id) (\($0.words))" }
        let accuracies = zip(names, progress.correct).map { name, correct in
            "\(name) \(percent(Double(correct) / Double(max(1, progress.finishedImages))))"
        }
        let sofar =
            progress.finishedImages == 0
            ? "" : "; so far, of \(progress.finishedImages) images: \(accuracies.joined(separator: ", "))"
        let part = progress.part.isEmpty ? "" : " \(progress.part)"
        return "evaluation\(part): \(progress.finishedChunks) of \(progress.chunks) chunks, "
            + "\(progress.finishedImages) of \(progress.images) images\(place)\(sofar); "
            + (progress.secondsLeft.map { "about \(time($0)) left" } ?? "time left not known yet")
    }

    /// What fits in a line of a terminal about how far an evaluation has come: the attack that rank 0 is at, what of the
    /// images that are finished is right when clean and under it, and the time left.
    static func shortLine(_ progress: EvaluationProgress) -> String {
        func accuracy(_ place: Int) -> String {
            percent(Double(progress.correct[place]) / Double(max(1, progress.finishedImages)))
        }
        var parts = ["\(progress.finishedImages) of \(progress.images) images"]
        if !progress.part.isEmpty { parts.insert(progress.part, at: 0) }
        if progress.finishedImages > 0 { parts.append("clean \(accuracy(0))") }
        if let at = progress.place {
            let attack = progress.attacks[at.attack]
            parts.append(
                progress.finishedImages == 0
                    ? "at \(attack.name(ofStage: at.stage))"
                    : "\(attack.id) (\(attack.words)) \(accuracy(at.attack + 1)), at \(attack.name(ofStage: at.stage))")
        }
        if let seconds = progress.secondsLeft { parts.insert("about \(time(seconds)) left", at: 0) }
        return "evaluation: \(parts.joined(separator: ", "))"
    }

    /// A length of time to a person's precision.
    static func time(_ seconds: Double) -> String {
        switch seconds {
        case ..<100: "\(Int(seconds.rounded(.up))) s"
        case ..<6000: "\(Int((seconds / 60).rounded(.up))) min"
        default: "\(fixed(seconds / 3600, 1)) h"
        }
    }
}
