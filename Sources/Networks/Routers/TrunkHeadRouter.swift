import Tensors

/// A linear layer of a mixture layer's own on what the network's ``SharedTrunk`` made of the images; the layer's input it
/// does not see.
struct TrunkHeadRouter: RouterNetwork {
    private let head: LinearHead

    init(_ path: String, experts: Int, _ parameters: Parameters) {
        head = LinearHead(
            "\(path).router", inputs: ResidualTrunk.outputs, experts: experts, hasBias: true, parameters)
    }

    func multiplyAdds(_ map: MapSize) -> Int { ResidualTrunk.outputs * head.experts }

    private func features(_ pass: Pass) -> TrunkFeatures {
        guard let features = pass.trunk else { preconditionFailure("a router's head in a pass without its trunk") }
        return features
    }

    /// The tape is what the head saw.
    func forward(_ x: [Tensor], _ pass: Pass) throws -> (logits: [[Float]], tape: [Tensor]) {
        let pooled = features(pass).pooled
        return (pooled.map { head.logits($0, pass) }, pooled)
    }

    func backward(
        _ dLogits: [Tensor], _ pooled: [Tensor], _ x: [Tensor], adding dx: [Tensor]?, masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor] {
        head.addGradients(dLogits, pooled, into: gradients)
        features(pass).gradients?.add(head.pooledGradients(dLogits, pooled, pass))
        return Router.withoutGradient(x, adding: dx, masksInput: masksInput)
    }
}
