import Networks
import Testing

@testable import Runs
@testable import Training

@Suite("what is said while it runs")
struct ProgressTests {
    private func window(correct: Int, layers: [[Double]] = []) -> TrainingWindow {
        var window = TrainingWindow()
        let usage = layers.enumerated().map { number, chosen in
            var sums = RouterSums(experts: chosen.count)
            sums.chosen = chosen
            return ExpertUsage(layer: "layer\(number)", sums: sums)
        }
        window.samples = 20
        window.loopSeconds = 2
        window.attackSeconds = 1.5
        window.add(
            PassOutcome(lossSum: 30, correct: correct, balanceLoss: 0.25, layers: usage), images: 20, gradientNorm: 1,
            learningRate: 0.1)
        return window
    }

    private func progress(secondsLeft: Double?, lacksEvaluations: Bool = false) -> TrainingProgress {
        TrainingProgress(
            epoch: 2, epochs: 5, step: 12, steps: 50, inputs: ["clean", "pgd-10"],
            windows: [window(correct: 15), window(correct: 5, layers: [[10, 10], [3, 17], [12, 8]])], hasExperts: true,
            secondsLeft: secondsLeft, lacksEvaluations: lacksEvaluations)
    }

    @Test("a line tells losses, accuracies of every input, speed, the busiest expert and the time left")
    func line() {
        #expect(
            progress(secondsLeft: 250).line
                == "epoch 2/5, step 12/50: loss 3.000, balance 0.500, accuracy clean 75.0%, pgd-10 25.0%, rate 0.1000, "
                + "10.0 images/s (attack 75.0%), busiest layer1 expert 1 with 85.0%, about 5 min left")
        #expect(progress(secondsLeft: nil).line?.hasSuffix("with 85.0%") == true)
        #expect(
            progress(secondsLeft: 7, lacksEvaluations: true).shortLine
                == "epoch 2/5, step 12/50: about 7 s and evaluations left, loss 3.000, clean 75.0%, attacked 25.0%, "
                + "10 images/s, busiest expert 85.0%")
    }

    @Test("time left is that of steps, and of evaluations of the kinds that have been seen")
    func estimate() {
        var estimate = TimeEstimate()
        #expect(estimate.seconds(steps: 3, attackedEvaluations: 1, cleanEvaluations: 1) == nil)
        estimate.addStep(seconds: 2)
        estimate.addStep(seconds: 4)
        #expect(estimate.seconds(steps: 3, attackedEvaluations: 2, cleanEvaluations: 1) == 9)
        #expect(estimate.lacks(attacked: true) && estimate.lacks(attacked: false))
        estimate.addEvaluation(attacked: true, seconds: 10)
        #expect(estimate.seconds(steps: 3, attackedEvaluations: 2, cleanEvaluations: 1) == 29)
        estimate.addEvaluation(attacked: false, seconds: 1)
        #expect(estimate.seconds(steps: 0, attackedEvaluations: 0, cleanEvaluations: 5) == 5)
        #expect(!estimate.lacks(attacked: true) && !estimate.lacks(attacked: false))
    }

    @Test("a line of a terminal is cut to its width, and cannot steer it")
    func width() {
        #expect(LiveLine.line("abcdef", columns: 6) == "abcdef")
        #expect(LiveLine.line("abcdefg", columns: 6) == "abcde…")
        #expect(LiveLine.line("a\u{1B}[2J\n", columns: 40) == "a\\u{1b}[2J\\u{a}")
    }
}
