import Foundation
import Tensors

/// The cross entropy of routers' probabilities s with target distributions t, −Σ t log s, added up over the routers that
/// have a target; its gradient is that of KL(t ‖ s).
///
/// Targets are what routers said of the clean images, from which an attack drives them away, or ones and zeros of the
/// expert that a label stands for. Routers that were bypassed play no part.
public struct RouterObjective: Objective {
    /// Target distributions by layer, `[shard][images × experts]`.
    public let targets: [String: [[Float]]]
    /// The images of each shard that outputs are of; nil for all that have targets.
    private var chosen: [[Int]]?

    /// Makes the objective.
    public init(targets: [String: [[Float]]]) {
        self.targets = targets
    }

    /// Drives each router away from the expert of the label modulo the experts (AdvMoE's released code).
    /// - Parameter labels: `[shard][image]`.
    public init(labels: [[Int32]], layers: [String], experts: Int) {
        let target = labels.map { labels in
            labels.flatMap { label in (0..<experts).map { Int32($0) == label % Int32(experts) ? Float(1) : 0 } }
        }
        targets = Dictionary(layers.map { ($0, target) }, uniquingKeysWith: { first, _ in first })
    }

    /// It is about nothing else.
    public var readsRouters: Bool { true }

    /// See ``Objective``.
    public func evaluate(_ outputs: ModelOutputs, shard: Int) -> ObjectiveValue {
        var value = ObjectiveValue(losses: [Double](repeating: 0, count: outputs.logits.images), dLogits: nil)
        for router in outputs.routers where !router.logProbabilities.isEmpty {
            guard let all = targets[router.layer]?[shard] else { continue }
            let target = chosen.map { all.selecting($0[shard], width: router.experts) } ?? all
            for place in target.indices where target[place] > 0 {
                value.losses[place / router.experts] -= Double(target[place]) * Double(router.logProbabilities[place])
            }
            value.dRouters[router.layer] = zip(router.logProbabilities, target).map { logProbability, target in
                Double(Float(exp(Double(logProbability))) - target)
            }
        }
        return value
    }

    /// See ``Objective``.
    public func selecting(_ images: [[Int]]) -> any Objective {
        var some = self
        some.chosen = chosen?.selecting(images) ?? images
        return some
    }
}
