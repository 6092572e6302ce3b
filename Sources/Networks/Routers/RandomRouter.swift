import Tensors

/// Scores drawn from N(0, 1) for each image: anew at every step in training passes, always the same otherwise.
struct RandomRouter: RouterNetwork {
    let experts: Int
    /// Tells the draws of layers apart.
    let stream: Int

    func multiplyAdds(_ map: MapSize) -> Int { 0 }

    func forward(_ x: [Tensor], _ pass: Pass) -> (logits: [[Float]], tape: Void) {
        var training: TrainingRouting?
        if case .learned(let given) = pass.routing { training = given }
        let logits = x.indices.map { shard in
            (0..<x[shard].images).flatMap { image in
                var numbers = RandomStream(
                    seed: (training?.seed ?? 0) &+ UInt64(stream), purpose: .randomRoutes, step: training?.step ?? 0,
                    index: pass.samples[shard][image])
                return (0..<experts).map { _ in numbers.normal() }
            }
        }
        return (logits, ())
    }

    func backward(
        _ dLogits: [Tensor], _ tape: Void, _ x: [Tensor], adding dx: [Tensor]?, masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) -> [Tensor] {
        Router.withoutGradient(x, adding: dx, masksInput: masksInput)
    }
}
