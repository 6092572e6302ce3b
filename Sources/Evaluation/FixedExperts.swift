import Datasets
import NetworkAttacks

/// Evaluates a network once for every expert of a layer, all images going to that one, while other layers keep their
/// routers (robust-sparse-moes, "Fixed-expert evaluation").
///
/// Every attack is made against the network with that expert fixed, in the chunks and with the draws of the gated
/// evaluation, so that rows differ in the expert alone. Attacks on routers are left out where the one router is bypassed.
package struct FixedExperts {
    /// What evaluates the network with its own routes.
    package let evaluator: Evaluator
    /// The mixture layers, one at a time.
    package let layers: [String]
    package let attacks: [EvaluatedAttack]
    package let suffix: String

    /// Makes a value of its parts.
    package init(evaluator: Evaluator, layers: [String], attacks: [EvaluatedAttack], suffix: String) {
        self.evaluator = evaluator
        self.layers = layers
        self.attacks = attacks
        self.suffix = suffix
    }

    /// Evaluates; collective.
    ///
    /// - Parameters:
    ///   - gated: The result with the network's own routes, on rank 0.
    ///   - report: Called on rank 0 with a layer, an expert or nil for the gated network, one set of inputs, and the
    ///     gated network's on the same kind of inputs.
    /// - Returns: Whether all were evaluated; else a rank was to stop before that.
    package func run(
        _ set: ImageSet, _ indices: [Int], gated: EvaluationResult?,
        _ report: (String, Int?, EvaluationResult.Inputs, EvaluationResult.Inputs) throws -> Void
    ) throws -> Bool {
        let network = evaluator.passes.network
        let experts = network.settings.mixture?.router.experts ?? 0
        // With the only router bypassed, an objective of routers depends on nothing.
        let attacks = attacks.filter { attack in
            network.mixtureLayers.count > 1 || !attack.stages.contains { $0.objective.readsRouters }
        }
        for layer in layers {
            for expert in 0..<experts {
                var fixed = evaluator
                fixed.keepsExamples = false
                fixed.passes.given[layer] = .expert(expert)
                fixed.part += "\(layer) expert \(expert)"
                guard case .finished(let result) = try fixed.run(set, indices, attacks: attacks, suffix: suffix) else {
                    return false
                }
                guard let result, let gated else { continue }
                for input in result.inputs {
                    guard let reference = gated.inputs.first(where: { $0.name == input.name }) else { continue }
                    try report(layer, expert, input, reference)
                }
            }
            if let gated { for input in gated.inputs { try report(layer, nil, input, input) } }
        }
        return true
    }
}
