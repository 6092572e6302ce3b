import Files
import Networks

/// What has been added up since the last train rows; saved with checkpoints, so that rows survive a restart whole.
///
/// All sums but the seconds are of the global batch, the same on every rank.
package struct TrainingWindow: Codable, Equatable {
    /// Updates.
    package var updates = 0
    /// Images of the steps, each counted once a step however often its updates pass over it.
    package var samples = 0
    /// Images of all passes of the updates: what means are taken over.
    package var passedImages = 0
    package var lossSum = 0.0
    package var balanceSum = 0.0
    package var correct = 0
    package var gradientNormSum = 0.0
    package var learningRate = 0.0
    package var layers: [ExpertUsage] = []
    /// Rank 0's seconds: the training loop, the attack, waiting for the exchange, its whole span.
    package var loopSeconds = 0.0
    package var attackSeconds = 0.0
    package var waitSeconds = 0.0
    package var communicationSeconds = 0.0
    /// Rank 0's seconds in backward passes; nil in a checkpoint of before they were counted.
    package var backwardSeconds: Double?
    /// What rank 0 sent of gradients; nil in a checkpoint of before it was counted.
    package var wire: WireTotals?
    /// The least and the most seconds that ranks spent in attacks and backward passes; known when the window is closed.
    package var workSeconds: ClosedRange<Double>?

    /// A window over no step.
    package init() {}

    /// Adds one pass of an update over `count` images, which are no new ones.
    package mutating func add(
        _ pass: PassOutcome, images count: Int, gradientNorm: Double, learningRate rate: Double
    ) {
        updates += 1
        passedImages += count
        lossSum += pass.lossSum
        correct += pass.correct
        balanceSum += pass.balanceLoss * Double(count)
        gradientNormSum += gradientNorm
        learningRate = rate
        ExpertUsage.add(pass.layers, to: &layers)
    }

    /// Adds a step over `samples` images to windows, one for each of the method's inputs; what belongs to whole steps goes to the last one.
    package static func add(_ step: StepOutcome, samples: Int, loopSeconds: Double, to windows: inout [TrainingWindow])
    {
        let last = windows.count - 1
        windows[last].loopSeconds += loopSeconds
        for index in windows.indices { windows[index].samples += samples }
        for update in step.updates {
            for (index, pass) in update.passes.enumerated() {
                windows[index].add(
                    pass, images: samples, gradientNorm: update.gradientNorm, learningRate: update.rate)
            }
        }
        windows[last].attackSeconds += step.attackSeconds
        windows[last].waitSeconds += step.waitSeconds
        windows[last].communicationSeconds += step.communicationSeconds
        var wire = windows[last].wire ?? WireTotals()
        wire.add(step.wire)
        windows[last].wire = wire
        windows[last].backwardSeconds = (windows[last].backwardSeconds ?? 0) + step.backwardSeconds
    }

    package var taskLoss: Double { lossSum / Double(max(1, passedImages)) }
    package var balanceLoss: Double { balanceSum / Double(max(1, passedImages)) }
    package var accuracy: Double { Double(correct) / Double(max(1, passedImages)) }
    package var imagesPerSecond: Double { loopSeconds > 0 ? Double(samples) / loopSeconds : 0 }
    package var isEmpty: Bool { updates == 0 }

    /// The row of `metrics.csv`.
    /// - Parameter tellsStep: Whether it has what belongs to whole steps: times, rate and gradient norm.
    package func metricsRow(_ position: RowPosition, tellsStep: Bool = true) -> MetricsRow {
        guard tellsStep else {
            return MetricsRow(
                position: position, loss: taskLoss + balanceLoss, taskLoss: taskLoss, balanceLoss: balanceLoss,
                accuracy: accuracy, samples: samples)
        }
        return MetricsRow(
            position: position, loss: taskLoss + balanceLoss, taskLoss: taskLoss, balanceLoss: balanceLoss,
            accuracy: accuracy, samples: samples, learningRate: learningRate, wallSeconds: loopSeconds,
            imagesPerSecond: imagesPerSecond, attackSeconds: attackSeconds, allreduceSeconds: waitSeconds,
            communicationSeconds: communicationSeconds, gradientNorm: gradientNormSum / Double(max(1, updates)),
            backwardSeconds: backwardSeconds, workSeconds: workSeconds, wireBytes: wire?.bytes,
            quantizationError: wire?.error)
    }
}
