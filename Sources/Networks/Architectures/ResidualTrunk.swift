import Tensors

/// The maps of a ResNet-20 for small images: a 3×3 convolution to 16 channels, then three stages of three basic blocks with
/// 16, 32 and 64 channels, shortcuts padded (He et al., arXiv:1512.03385, section 4.2).
struct ResidualTrunk {
    private static let widths = [16, 32, 64]
    private static let blocksPerStage = 3

    private let stem: NormalizedConvolution
    private let blocks: [ResidualBlock]
    /// Channels of the maps.
    static let outputs = 64

    struct Tape {
        let stem: [NormalizedConvolution.Tape]
        let blocks: [[ResidualBlock.Tape]]
    }

    /// Registers the slots below `path`, as a router's, drawn as PyTorch does by default.
    init(_ path: String, inputs: Int, _ parameters: Parameters) {
        func unit(_ name: String, _ norm: String, inputs: Int, outputs: Int, stride: Int) -> NormalizedConvolution {
            let convolution = Convolution(
                "\(path).\(name)", inputs: inputs, outputs: outputs, kernel: 3, stride: stride, parameters,
                .pyTorchDefault(fanIn: 9 * inputs), group: .router)
            return NormalizedConvolution(
                path: "\(path).\(name)", operation: .plain(ConvolutionBank(convolution)),
                norm: BatchNorm("\(path).\(norm)", channels: outputs, parameters, group: .router))
        }
        var width = Self.widths[0]
        stem = unit("conv1", "bn1", inputs: inputs, outputs: width, stride: 1)
        var blocks: [ResidualBlock] = []
        for (stage, channels) in Self.widths.enumerated() {
            for index in 0..<Self.blocksPerStage {
                let name = "layer\(stage + 1).\(index)"
                let stride = stage > 0 && index == 0 ? 2 : 1
                let units = [
                    unit("\(name).conv1", "\(name).bn1", inputs: width, outputs: channels, stride: stride),
                    unit("\(name).conv2", "\(name).bn2", inputs: channels, outputs: channels, stride: 1),
                ]
                blocks.append(ResidualBlock(units: units, downsample: nil, paddedChannels: stride > 1 ? channels : nil))
                width = channels
            }
        }
        self.blocks = blocks
    }

    /// Multiply-adds for one image of this size.
    static func multiplyAdds(inputs: Int, _ map: MapSize) -> Int {
        var map = map
        var total = 9 * inputs * widths[0] * map.height * map.width
        var width = widths[0]
        for (stage, channels) in widths.enumerated() {
            if stage > 0 { map = map.after(kernel: 3, stride: 2, padding: 1) }
            let convolutions = 2 * blocksPerStage
            total += 9 * channels * (width + (convolutions - 1) * channels) * map.height * map.width
            width = channels
        }
        return total
    }

    /// Returns maps that are a ReLU's output.
    func forward(_ x: [Tensor], _ pass: Pass) throws -> (y: [Tensor], tape: Tape) {
        let (first, stemTape) = try NormalizedConvolution.forward([stem], [x], rectifies: true, pass)
        var y = first
        var tapes: [[ResidualBlock.Tape]] = []
        for block in blocks {
            let (next, tape) = try ResidualBlock.forward([block], y, pass)
            y = next
            tapes.append(tape)
        }
        return (y[0], Tape(stem: stemTape, blocks: tapes))
    }

    /// Carries back the gradient of the maps, already gated by them; returns `dx` plus the trunk's part, or nothing where
    /// `dx` is nil.
    func backward(
        _ g: [Tensor], _ tape: Tape, adding dx: [Tensor]?, masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor] {
        var g = [g]
        for (block, blockTape) in zip(blocks, tape.blocks).reversed() {
            g = try ResidualBlock.backward([block], g, blockTape, masksInput: true, pass, into: gradients)
        }
        return try NormalizedConvolution.backward(
            [stem], g, tape.stem, addends: dx.map { [$0] }, masksInput: masksInput, wantsInput: dx != nil, pass,
            into: gradients)[0]
    }
}
