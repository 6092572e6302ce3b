import Tensors

/// Global average pooling and a linear layer, a convolution and global average pooling, or inner products with fixed
/// vectors: one linear function of the map.
struct LinearRouter: RouterNetwork {
    let head: LinearHead
    private let inputs: Int

    /// Global average pooling, then a linear layer with bias.
    static func averaged(_ path: String, inputs: Int, experts: Int, _ parameters: Parameters) -> LinearRouter {
        let head = LinearHead("\(path).router", inputs: inputs, experts: experts, hasBias: true, parameters)
        return LinearRouter(head: head, inputs: inputs)
    }

    /// A convolution without padding and bias, then global average pooling.
    static func convolution(
        _ path: String, kernel: Int, inputs: Int, experts: Int, _ parameters: Parameters
    ) -> LinearRouter {
        let head = LinearHead(
            "\(path).router", kernel: kernel, inputs: inputs, experts: experts, hasBias: false, parameters)
        return LinearRouter(head: head, inputs: inputs)
    }

    /// Global average pooling, then inner products with vectors drawn from N(0, 1), which are stored and not trained.
    static func fixedProjection(_ path: String, inputs: Int, experts: Int, _ parameters: Parameters) -> LinearRouter {
        let weight = parameters.register(
            "\(path).router.projection", .matrix(inputs: inputs, outputs: experts), .normal(deviation: 1),
            isStatistic: true, group: .router)
        return LinearRouter(head: LinearHead(fixed: weight, experts: experts), inputs: inputs)
    }

    var smallestMap: Int { head.kernel }

    func multiplyAdds(_ map: MapSize) -> Int { head.kernel * head.kernel * inputs * head.experts }

    /// The means that the layer took of each shard.
    typealias Tape = [Tensor]

    func forward(_ x: [Tensor], _ pass: Pass) -> (logits: [[Float]], tape: [Tensor]) {
        let pooled = x.map(head.pooled)
        return (pooled.map { head.logits($0, pass) }, pooled)
    }

    func backward(
        _ dLogits: [Tensor], _ pooled: [Tensor], _ x: [Tensor], adding dx: [Tensor]?, masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) -> [Tensor] {
        head.addGradients(dLogits, pooled, into: gradients)
        guard let dx else { return [] }
        return LinearHead.spread(
            head.pooledGradients(dLogits, pooled, pass), kernel: head.kernel, x, adding: dx, masksInput: masksInput)
    }
}
