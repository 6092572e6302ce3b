import Tensors

/// A layer in front of a model that moves every image towards the class that the model gives it (Alfarra et al.,
/// arXiv:2103.14347): γ = 0, then `steps` times γ ← γ − `stepSize` · sign ∇ CE(f(x + γ), ŷ), ŷ being the class of f(x); the
/// layer's answer is f(x + γ).
///
/// γ is neither projected nor clamped, and found anew at every call. It has no parameters, and clean images keep their class but
/// in odd cases. It optimizes at inference: an attack that takes γ for a constant, as the published code does, is no attack on
/// it (Croce et al., ICML 2022), and images made on the model alone undo most of it.
public struct AntiAdversary: Hashable, Sendable {
    /// Steps of each image, 0 or more.
    public var steps: Int
    /// How far a step goes, in pixel units.
    public var stepSize: Float

    /// Makes the layer.
    public init(steps: Int, stepSize: Float) {
        precondition(steps >= 0 && stepSize >= 0, "expected steps and a step size of at least 0")
        self.steps = steps
        self.stepSize = stepSize
    }

    /// Returns the images that the model is shown in place of these, x + γ, which may lie outside [0, 1].
    /// - Parameter draw: The number of the call, from which a model with noise draws it.
    public func shown(_ images: [Tensor], to target: some AttackTarget, draw: Int = 0) throws -> [Tensor] {
        guard steps > 0 else { return images }
        let labels = try target.outputs(images, readsRouters: false, draw: draw)
            .map { CrossEntropy.predictions($0.logits) }
        let objective = CrossEntropyObjective(labels: labels)
        let moved = images.map { $0.duplicate() }
        for _ in 0..<steps {
            let gradient = try target.outputsAndInputGradient(moved, objective, draw: draw).gradient
            for (x, g) in zip(moved, gradient) {
                for index in 0..<x.count {
                    x.pointer[index] -= g.pointer[index] > 0 ? stepSize : g.pointer[index] < 0 ? -stepSize : 0
                }
            }
        }
        return moved
    }
}

/// A model behind an ``AntiAdversary``, whose input gradients are those at the images that the model is shown: the layer is
/// taken for the identity on the way back (BPDA, Athalye et al., arXiv:1802.00420).
public struct AntiAdversaryTarget<Target: AttackTarget>: AttackTarget {
    /// The model.
    public let target: Target
    /// The layer.
    public let layer: AntiAdversary

    /// Makes the target.
    public init(_ target: Target, layer: AntiAdversary) {
        self.target = target
        self.layer = layer
    }

    /// See ``AttackTarget``.
    public func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) throws -> [ModelOutputs] {
        try target.outputs(layer.shown(images, to: target, draw: draw), readsRouters: readsRouters, draw: draw)
    }

    /// See ``AttackTarget``.
    public func outputsAndInputGradient(
        _ images: [Tensor], _ objective: any Objective, draw: Int
    ) throws -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) {
        try target.outputsAndInputGradient(layer.shown(images, to: target, draw: draw), objective, draw: draw)
    }

    /// See ``AttackTarget``.
    public func selecting(_ images: [[Int]]) -> AntiAdversaryTarget {
        AntiAdversaryTarget(target.selecting(images), layer: layer)
    }
}
