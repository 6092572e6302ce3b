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
        router.noteOutputs(results, routing, pass)
        let y = x.indices.map { dispatch[$0].combine(results[$0], like: experts[0].makeOutput(x[$0])) }
        return (y, Tape(router: routing, dispatch: dispatch, inputs: inputs, results: results))
    }

    /// Returns the gradient of the input, empty if not wanted; adds those of experts and router.
    func backward(
        _ dy: [Tensor], _ x: [Tensor], _ tape: Tape, scale: [Float]?, addends: [Tensor]?, masksInput: Bool,
        wantsInput: Bool, _ pass: Pass, into gradients: GradientAccumulator?
    ) throws -> [Tensor] {
        // With a folded scale the results carry it, so the router's gradient needs no factor of its own.
        let parts = x.indices.map { shard in
            tape.dispatch[shard].backward(
                dy[shard], results: tape.results[shard],
                offsets: router.outputGradient(shard: shard, into: gradients), gatesResults: false)
        }
        let dx = x.indices.compactMap { shard -> Tensor? in
            let dInputs = experts.indices.compactMap { expert in
                let (input, dResult) = (tape.inputs[shard][expert], parts[shard].dResults[expert])
                if let gradients {
                    experts[expert].addWeightGradient(input, dResult, into: gradients, shard: shard, pass)
                }
                return wantsInput ? experts[expert].inputGradient(dResult, like: input, scale: scale, pass) : nil
            }
            if !wantsInput { return nil }
            let dx = tape.dispatch[shard].backwardGather(dInputs, like: x[shard])
            if let addends { ChannelOperations.add(addends[shard], to: dx) }
            return dx
        }
        return try router.backward(
            parts.map(\.dWeights), tape.router, x, adding: wantsInput ? dx : nil, masksInput: masksInput, pass,
            into: gradients)
    }
}
