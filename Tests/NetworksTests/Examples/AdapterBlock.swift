import Tensors

@testable import Networks

/// A residual adapter (Rebuffi et al., arXiv:1705.08045), of which each expert has its own behind a block that all share:
/// y = ReLU(x + BN(1×1 convolution of x)).
struct AdapterBlock: ParallelBlock {
    typealias Tape = NormalizedConvolution.Tape

    let unit: NormalizedConvolution

    var isRectified: Bool { true }

    static func forward(
        _ blocks: [AdapterBlock], _ x: [[Tensor]], _ pass: Pass
    ) throws -> (y: [[Tensor]], tapes: [Tape]) {
        try NormalizedConvolution.forward(blocks.map(\.unit), x, addends: x, rectifies: true, pass)
    }

    static func backward(
        _ blocks: [AdapterBlock], _ g: [[Tensor]], _ tapes: [Tape], masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [[Tensor]] {
        try NormalizedConvolution.backward(
            blocks.map(\.unit), g, tapes, addends: g, masksInput: masksInput, pass, into: gradients)
    }
}

extension NetworkBuilder {
    /// Adds a mixture of adapters behind a residual block that was just added, if the placement covers it.
    func appendAdapters(behind block: String) throws {
        guard let mixture = settings.mixture else { return }
        candidates.append(block)
        guard mixture.placement.covers(block) else { return }
        let path = "\(block).adapters"
        mixtureLayers.append(path)
        let (channels, map) = (channels, map)
        try append(map: map) {
            try expertBlock(path, inputs: channels, map: map, mixture.router) { path, owner in
                let shape = Shape(inputs: channels, outputs: channels, kernel: 1, map: map)
                return AdapterBlock(unit: try unit("\(path).conv", norm: "\(path).bn", shape, owner: owner))
            }
        }
    }
}
