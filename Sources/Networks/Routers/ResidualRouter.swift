import Tensors

/// A ResNet-20, then global average pooling and a linear layer: on the image itself (AdvMoE's router).
struct ResidualRouter: RouterNetwork {
    private let trunk: ResidualTrunk
    private let head: LinearHead
    private let inputs: Int

    struct Tape {
        let trunk: ResidualTrunk.Tape
        /// What the trunk gave, and its means.
        let maps: [Tensor]
        let pooled: [Tensor]
    }

    init(_ path: String, inputs: Int, experts: Int, _ parameters: Parameters) {
        self.inputs = inputs
        trunk = ResidualTrunk(path, inputs: inputs, parameters)
        head = LinearHead(
            "\(path).fc", inputs: ResidualTrunk.outputs, experts: experts, hasBias: true, parameters)
    }

    func multiplyAdds(_ map: MapSize) -> Int {
        ResidualTrunk.multiplyAdds(inputs: inputs, map) + ResidualTrunk.outputs * head.experts
    }

    func forward(_ x: [Tensor], _ pass: Pass) throws -> (logits: [[Float]], tape: Tape) {
        let (maps, tape) = try trunk.forward(x, pass)
        let pooled = maps.map(head.pooled)
        return (pooled.map { head.logits($0, pass) }, Tape(trunk: tape, maps: maps, pooled: pooled))
    }

    func backward(
        _ dLogits: [Tensor], _ tape: Tape, _ x: [Tensor], adding dx: [Tensor]?, masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor] {
        head.addGradients(dLogits, tape.pooled, into: gradients)
        let dMaps = zip(head.pooledGradients(dLogits, tape.pooled, pass), tape.maps).map { gradient, map in
            let result = Tensor(like: map)
            Pooling.averageBackward(gradient, mask: map, into: result)
            return result
        }
        return try trunk.backward(dMaps, tape.trunk, adding: dx, masksInput: masksInput, pass, into: gradients)
    }
}
