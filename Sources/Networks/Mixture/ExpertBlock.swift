import Tensors

/// A residual block replaced by experts: y[t] = Σ over chosen e of r[t, e] · block_e(x[t]).
///
/// ReLU and shortcut lie inside each expert (robust-sparse-moes, "BlockMoE"). All experts advance together, layer by layer.
struct ExpertBlock<Block: ParallelBlock>: NetworkElement {
    let router: Router
    let experts: [Block]

    /// A weighted sum is no ReLU's output, even where the experts' outputs are.
    var isRectified: Bool { false }

    struct Tape {
        let x: [Tensor]
        let router: Router.Tape
        let dispatch: [Dispatch]
        /// The experts' outputs, `[expert][shard]`.
        let results: [[Tensor]]
        let blocks: [Block.Tape]
    }

    func forward(_ x: [Tensor], _ pass: Pass) throws -> (y: [Tensor], tape: Tape) {
        let routing = try router.forward(x, pass)
        let dispatch = x.indices.map {
            Dispatch(routing.routes[$0], images: x[$0].images, experts: experts.count)
        }
        let inputs = transposed(x.indices.map { dispatch[$0].gather(x[$0]) })
        let (results, tapes) = try Block.forward(experts, inputs, pass)
        router.noteOutputs(x.indices.map { shard in results.map { $0[shard] } }, routing, pass)
        let y = x.indices.map { shard in
            dispatch[shard].combine(results.map { $0[shard] }, like: results[0][shard])
        }
        return (y, Tape(x: x, router: routing, dispatch: dispatch, results: results, blocks: tapes))
    }

    func backward(
        _ g: [Tensor], _ tape: Tape, masksInput: Bool, wantsInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor] {
        let gatesResults = experts.contains(where: \.isRectified)
        let parts = g.indices.map { shard in
            tape.dispatch[shard].backward(
                g[shard], results: tape.results.map { $0[shard] },
                offsets: router.outputGradient(shard: shard, into: gradients), gatesResults: gatesResults)
        }
        let dInputs = try Block.backward(
            experts, transposed(parts.map(\.dResults)), tape.blocks, masksInput: false, pass, into: gradients)
        let dx = g.indices.map { shard in
            tape.dispatch[shard].backwardGather(dInputs.map { $0[shard] }, like: tape.x[shard])
        }
        return try router.backward(
            parts.map(\.dWeights), tape.router, tape.x, adding: dx, masksInput: masksInput, pass, into: gradients)
    }

    /// `[shard][expert]` to `[expert][shard]`.
    private func transposed(_ lists: [[Tensor]]) -> [[Tensor]] {
        experts.indices.map { expert in lists.map { $0[expert] } }
    }
}
