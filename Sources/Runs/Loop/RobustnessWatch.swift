import Files

/// What a run remembers of its probe, the accuracy under attack of some of the images that it is trained on, beside that of
/// images that it has not seen; kept with checkpoints.
struct RobustnessWatch: Codable, Equatable {
    /// An accuracy of the images judged and of the probe in one evaluation.
    struct Accuracies: Codable, Equatable {
        var judged: Double
        var probe: Double
    }

    /// Those of the evaluation whose judged images did best.
    private(set) var best: Accuracies?
    /// The highest of the probe.
    private(set) var highestProbe: Double?
    /// Whether an alarm was said since the best one, or since the probe's highest.
    private var saysOverfitting = false
    private var saysCollapse = false

    /// What an evaluation of a run that forgets nothing could not have: a number outside of 0 to 1.
    var isPlausible: Bool {
        ([best?.judged, best?.probe, highestProbe].compactMap { $0 }).allSatisfy((0...1).contains)
    }

    /// Takes note of an evaluation.
    ///
    /// - Parameters:
    ///   - judged: The accuracy under the attack of images that are not trained on, and of how many.
    ///   - probe: That of images that are trained on.
    /// - Returns: A sentence for each alarm, said once until things get better.
    mutating func note(
        judged: (accuracy: Double, samples: Int), probe: (accuracy: Double, samples: Int)
    ) -> [String] {
        var alarms: [String] = []
        func low(_ accuracy: Double, of samples: Int) -> Double {
            WilsonInterval.bounds(correct: Int((accuracy * Double(samples)).rounded()), samples: samples).low
        }
        if let best, judged.accuracy <= best.judged {
            let hasFallen = judged.accuracy < low(best.judged, of: judged.samples)
            if hasFallen, probe.accuracy >= best.probe, !saysOverfitting {
                saysOverfitting = true
                alarms.append(
                    "robust overfitting: accuracy under attack has fallen from \(Console.percent(best.judged)) to "
                        + "\(Console.percent(judged.accuracy)), and on images that are trained on it has gone from "
                        + "\(Console.percent(best.probe)) to \(Console.percent(probe.accuracy)); the checkpoint best, where "
                        + "training.validation_fraction is above 0, is that of before")
            }
        } else {
            best = Accuracies(judged: judged.accuracy, probe: probe.accuracy)
            saysOverfitting = false
        }
        if let highest = highestProbe, probe.accuracy <= highest {
            if 2 * probe.accuracy < low(highest, of: probe.samples), !saysCollapse {
                saysCollapse = true
                alarms.append(
                    "catastrophic overfitting: accuracy under attack on images that are trained on has fallen from "
                        + "\(Console.percent(highest)) to \(Console.percent(probe.accuracy)); the attack of training may be "
                        + "too weak a one: more steps, or a smaller step_size")
            }
        } else {
            highestProbe = probe.accuracy
            saysCollapse = false
        }
        return alarms
    }
}
