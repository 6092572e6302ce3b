import Tensors

/// Global average pooling, then the first channels themselves, one an expert; nothing is learned.
struct FirstChannelsRouter: RouterNetwork {
    let experts: Int

    func multiplyAdds(_ map: MapSize) -> Int { 0 }

    /// The means of each shard's channels.
    typealias Tape = [Tensor]

    func forward(_ x: [Tensor], _ pass: Pass) -> (logits: [[Float]], tape: [Tensor]) {
        let pooled = x.map(Pooling.average)
        let logits = pooled.map { means in
            (0..<means.images * experts).map { means.pointer[$0 / experts * means.channels + $0 % experts] }
        }
        return (logits, pooled)
    }

    func backward(
        _ dLogits: [Tensor], _ pooled: [Tensor], _ x: [Tensor], adding dx: [Tensor]?, masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) -> [Tensor] {
        guard let dx else { return [] }
        return LinearHead.spread(
            zip(dLogits, pooled).map(widened), kernel: 1, x, adding: dx, masksInput: masksInput)
    }

    /// The gradient of all channels from that of the first ones.
    private func widened(_ dLogits: Tensor, like pooled: Tensor) -> Tensor {
        let result = Tensor(like: pooled)
        result.fill(0)
        for place in 0..<dLogits.count {
            result.pointer[place / experts * pooled.channels + place % experts] = dLogits.pointer[place]
        }
        return result
    }
}
