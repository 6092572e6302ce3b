import Tensors

/// A convolution replaced by experts: y[t] = Σ over chosen e of r[t, e] · conv_e(x[t]) (robust-sparse-moes, "ConvMoE").
///
/// Only chosen experts run, each on its own images at once.
struct ExpertConvolution {
    let router: Router
    let experts: [Convolution]

    struct Tape {
        let router: Router.Tape
        let dispatch: [Dispatch]
        /// `[shard][expert]`: the experts' inputs and results.
        let inputs: [[Tensor]]
        let results: [[Tensor]]
    }

    /// - Parameter scale: Factors of the output channels, folded into every expert's filter, or nil.
    func forward(_ x: [Tensor], scale: [Float]?, _ pass: Pass) throws -> (y: [Tensor], tape: Tape) {
        let routing = try router.forward(x, pass)
        let dispatch = x.indices.map {
            Dispatch(routing.routes[$0], images: x[$0].images, experts: experts.count)
        }
        let inputs = x.indices.map { dispatch[$0].gather(x[$0]) }
        let results = inputs.map { parts in
            zip(experts, parts).map { expert, part in expert.forward(part, scale: scale, pass) }
        }
        let y = x.indices.map { dispatch[$0].combine(results[$0], like: experts[0].makeOutput(x[$0])) }
        return (y, Tape(router: routing, dispatch: dispatch, inputs: inputs, results: results))
    }

    /// Returns the gradient of the input; adds those of experts and router.
    func backward(
        _ dy: [Tensor], _ x: [Tensor], _ tape: Tape, scale: [Float]?, addends: [Tensor]?, masksInput: Bool,
        _ pass: Pass, into gradients: Gradients?
    ) -> [Tensor] {
        x.indices.map { shard in
            let dispatch = tape.dispatch[shard]
            // With a folded scale the results carry it, so the router's gradient needs no factor of its own.
            let (dResults, dWeights) = dispatch.backward(dy[shard], results: tape.results[shard], gatesResults: false)
            let dInputs = experts.indices.map { expert in
                if let gradients {
                    experts[expert].addWeightGradient(
                        tape.inputs[shard][expert], dResults[expert], into: gradients, shard: shard, pass)
                }
                return experts[expert].inputGradient(
                    dResults[expert], like: tape.inputs[shard][expert], scale: scale, pass)
            }
            let dx = dispatch.backwardGather(dInputs, like: x[shard])
            let dPooled = router.backward(dWeights, tape.router, shard: shard, pass, into: gradients)
            if let addends { ChannelOperations.add(addends[shard], to: dx) }
            let mask = masksInput ? x[shard] : nil
            if let dPooled {
                Pooling.averageBackward(dPooled, mask: mask, adds: true, into: dx)
            } else if let mask {
                ChannelOperations.gate(dx, by: mask)
            }
            return dx
        }
    }
}
