import Files
import Foundation
import Networks

/// What has been added up since the last train rows; saved with checkpoints, so that rows survive a restart whole.
///
/// All sums but the seconds are of the global batch, the same on every rank.
package struct TrainingWindow: Codable, Equatable {
    /// The use of one mixture layer's experts.
    package struct Layer: Codable, Equatable {
        package let layer: String
        package var sums: RouterSums

        package init(layer: String, sums: RouterSums) {
            self.layer = layer
            self.sums = sums
        }
    }

    package var steps = 0
    package var samples = 0
    package var lossSum = 0.0
    package var balanceSum = 0.0
    package var correct = 0
    package var gradientNormSum = 0.0
    package var learningRate = 0.0
    package var layers: [Layer] = []
    /// Rank 0's seconds: the training loop, the attack, waiting for the exchange, its whole span.
    package var loopSeconds = 0.0
    package var attackSeconds = 0.0
    package var waitSeconds = 0.0
    package var communicationSeconds = 0.0

    /// A window over no step.
    package init() {}

    /// Adds one step over `samples` images.
    package mutating func add(
        samples count: Int, lossSum loss: Double, correct right: Int, routers: [SettledRouter], gradientNorm: Double,
        learningRate rate: Double
    ) {
        steps += 1
        samples += count
        lossSum += loss
        correct += right
        balanceSum += routers.reduce(0) { $0 + $1.balanceLoss } * Double(count)
        gradientNormSum += gradientNorm
        learningRate = rate
        TrainingWindow.add(routers.map { Layer(layer: $0.layer, sums: $0.global) }, to: &layers)
    }

    /// Adds up the use of the same layers over several batches.
    package static func add(_ more: [Layer], to layers: inout [Layer]) {
        if layers.isEmpty {
            layers = more.map { Layer(layer: $0.layer, sums: RouterSums(experts: $0.sums.chosen.count)) }
        }
        for index in layers.indices { layers[index].sums.add(more[index].sums) }
    }

    package var taskLoss: Double { lossSum / Double(max(1, samples)) }
    package var balanceLoss: Double { balanceSum / Double(max(1, samples)) }
    package var accuracy: Double { Double(correct) / Double(max(1, samples)) }
    package var imagesPerSecond: Double { loopSeconds > 0 ? Double(samples) / loopSeconds : 0 }
    package var isEmpty: Bool { steps == 0 }

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
            communicationSeconds: communicationSeconds, gradientNorm: gradientNormSum / Double(max(1, steps)))
    }
}

extension TrainingWindow.Layer {
    /// Rows of `experts.csv`; probability mass is empty where routers were bypassed.
    package func expertRows(_ position: RowPosition) -> [ExpertRow] {
        let total = sums.chosen.reduce(0, +)
        return sums.chosen.indices.map { expert in
            ExpertRow(
                position: position, layer: layer, expert: expert, count: Int(sums.chosen[expert]),
                fraction: total > 0 ? sums.chosen[expert] / total : nil,
                probabilityMass: sums.images > 0 ? sums.shares[expert] : nil, dead: sums.chosen[expert] == 0)
        }
    }

    /// The row of `routing.csv`; entropies in nats.
    ///
    /// - Parameter samples: The images that made the choices.
    package func routingRow(_ position: RowPosition, samples: Int, flipRate: Double? = nil) -> RoutingRow {
        let chosen = sums.chosen
        let total = chosen.reduce(0, +)
        let usage = chosen.reduce(0.0) { $1 > 0 ? $0 - $1 / total * log($1 / total) : $0 }
        return RoutingRow(
            position: position, layer: layer, samples: samples, usageEntropy: total > 0 ? usage : nil,
            routerEntropy: sums.images > 0 ? sums.entropy / sums.images : nil,
            maxOverMean: total > 0 ? (chosen.max() ?? 0) * Double(chosen.count) / total : nil, flipRate: flipRate,
            alarm: alarm(samples: samples)?.rawValue)
    }

    /// What is wrong with the use of experts by so many images; nil where routers were bypassed, which is no collapse.
    package func alarm(samples: Int) -> RoutingAlarm? {
        guard sums.images > 0 else { return nil }
        return RoutingAlarm(chosen: sums.chosen, choices: sums.chosen.reduce(0, +) / Double(max(1, samples)))
    }
}
