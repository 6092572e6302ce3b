import Attacks
import Configuration
import Foundation
import Networks
import Tensors

/// What an attack on a network makes large.
package struct AttackGoal {
    /// The logits of the clean images, `[shard]`, whose divergence from those of the attacked ones counts; nil means cross
    /// entropy with the labels.
    package var cleanLogits: [Tensor]?
    /// Whether the model's own logits count at all.
    package var usesModel = true
    /// Probabilities, `[shard][images × experts]`, that each router's scores are driven away from.
    package var routerTargets: [String: [[Float]]] = [:]
    /// The weight of the routers' part.
    package var routerWeight: Float = 1

    /// Cross entropy.
    package init() {}

    /// The goal of an attack in training: divergences from what a pass over the clean images said.
    ///
    /// - Parameters:
    ///   - logits: That pass's logits.
    ///   - routers: What its routers did.
    ///   - scores: What stands in for the probabilities of an image's router.
    package init(
        _ objective: RunConfiguration.Attack.Objective, logits: [Tensor], routers: [RouterRecord],
        replacing scores: [[Float]]?
    ) {
        cleanLogits = logits
        usesModel = objective != .router
        guard objective == .router || objective == .modelAndRouter else { return }
        for router in routers { routerTargets[router.layer] = scores ?? router.perShard.map(\.scores) }
    }

    /// The goal of an attack in evaluations, where routers are attacked by the label modulo the experts; for `kl` the logits
    /// of the clean images are needed.
    package init(
        _ objective: RunConfiguration.Attack.Objective, labels: [[Int32]], network: Network, weight: Double,
        cleanLogits: @autoclosure () throws -> [Tensor]
    ) rethrows {
        if objective == .kl { self.cleanLogits = try cleanLogits() }
        guard objective == .router || objective == .modelAndRouter, let mixture = network.settings.mixture else {
            return
        }
        usesModel = objective != .router
        routerWeight = objective == .router ? 1 : Float(weight)
        let experts = mixture.router.experts
        let targets = labels.map { labels in
            labels.flatMap { label in (0..<experts).map { Int32($0) == label % Int32(experts) ? Float(1) : 0 } }
        }
        for layer in network.mixtureLayers { routerTargets[layer] = targets }
    }

    /// The cross entropy of a router's log-probabilities with its targets, for each image, times the weight.
    package func routerLosses(_ record: PassRecord?, shard: Int, images: Int) -> [Double] {
        var result = [Double](repeating: 0, count: images)
        for router in record?.routers ?? [] {
            guard let target = routerTargets[router.layer]?[shard] else { continue }
            let scores = router.perShard[shard].scores
            if scores.isEmpty { continue }
            for place in target.indices where target[place] > 0 {
                let logScore = log(Double(max(scores[place], .leastNormalMagnitude)))
                result[place / router.experts] -= Double(routerWeight * target[place]) * logScore
            }
        }
        return result
    }
}
