import Tensors

@testable import Networks

/// Global max-pooling, then a linear layer with bias: what stands out anywhere on the map decides, not what is common on it.
struct PeakRouter: RouterNetwork {
    private let head: LinearHead
    private let inputs: Int

    struct Tape {
        /// The largest value of every channel, a shard each, and where in the shard it stands.
        let peaks: [Tensor]
        let places: [[Int]]
    }

    /// Registers `<path>.router.weight` and `<path>.router.bias`.
    init(_ path: String, inputs: Int, experts: Int, _ parameters: Parameters) {
        self.inputs = inputs
        head = LinearHead("\(path).router", inputs: inputs, experts: experts, hasBias: true, parameters)
    }

    func multiplyAdds(_ map: MapSize) -> Int { inputs * head.experts }

    func forward(_ x: [Tensor], _ pass: Pass) -> (logits: [[Float]], tape: Tape) {
        let places = x.map(places)
        let peaks = zip(x, places).map { x, places in
            let result = Tensor(x.workspace, images: x.images, channels: x.channels)
            for (index, place) in places.enumerated() { result.pointer[index] = x.pointer[place] }
            return result
        }
        return (peaks.map { head.logits($0, pass) }, Tape(peaks: peaks, places: places))
    }

    func backward(
        _ dLogits: [Tensor], _ tape: Tape, _ x: [Tensor], adding dx: [Tensor]?, masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) -> [Tensor] {
        head.addGradients(dLogits, tape.peaks, into: gradients)
        guard let dx else { return [] }
        for (shard, dPeaks) in head.pooledGradients(dLogits, tape.peaks, pass).enumerated() {
            for (index, place) in tape.places[shard].enumerated() {
                dx[shard].pointer[place] += dPeaks.pointer[index]
            }
        }
        // What is no more than gating: gradients of a ReLU's output where it is 0 are left out.
        return Router.withoutGradient(x, adding: dx, masksInput: masksInput)
    }

    /// Where each channel of each image is largest, `[images × channels]`; the first place where several are.
    private func places(_ x: Tensor) -> [Int] {
        (0..<x.images * x.channels).map { index in
            let first = index / x.channels * x.imageSize + index % x.channels
            return stride(from: first, to: first + x.imageSize - index % x.channels, by: x.channels).reduce(first) {
                x.pointer[$1] > x.pointer[$0] ? $1 : $0
            }
        }
    }
}
