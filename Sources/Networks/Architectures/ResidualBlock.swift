import Tensors

/// torchvision's residual blocks: a chain of convolutions with batch norm, ReLU between them, the shortcut added to the
/// last one, ReLU behind the sum; the shortcut is a 1×1 convolution with batch norm where the shape changes.
///
/// A basic block is 3×3, 3×3; a bottleneck 1×1, 3×3 with the stride, 1×1 to four times the channels (v1.5). Functions
/// take the same block of several experts at once, `[block][shard]`.
struct ResidualBlock: ParallelBlock {
    let units: [NormalizedConvolution]
    /// The shortcut's convolution; nil where the input itself is added, padded where ``paddedChannels`` says so.
    let downsample: NormalizedConvolution?
    /// The channels to which the shortcut pads, leaving out every other pixel; nil where it does not.
    var paddedChannels: Int?

    var isRectified: Bool { true }

    struct Tape {
        let x: [Tensor]
        let units: [NormalizedConvolution.Tape]
        let downsample: NormalizedConvolution.Tape?
    }

    static func forward(
        _ blocks: [ResidualBlock], _ x: [[Tensor]], _ pass: Pass
    ) throws -> (y: [[Tensor]], tapes: [Tape]) {
        let depth = blocks.first?.units.count ?? 0
        var y = x
        var tapes: [[NormalizedConvolution.Tape]] = []
        for level in 0..<depth - 1 {
            let (hidden, levelTapes) = try NormalizedConvolution.forward(
                blocks.map { $0.units[level] }, y, rectifies: true, pass)
            y = hidden
            tapes.append(levelTapes)
        }
        let shortcuts = blocks.compactMap(\.downsample)
        var addends = x
        var shortcutTapes: [NormalizedConvolution.Tape] = []
        if !shortcuts.isEmpty {
            (addends, shortcutTapes) = try NormalizedConvolution.forward(shortcuts, x, rectifies: false, pass)
        } else if let channels = blocks.first?.paddedChannels {
            addends = x.map { $0.map { PaddedShortcut.forward($0, channels: channels) } }
        }
        let (result, lastTapes) = try NormalizedConvolution.forward(
            blocks.map { $0.units[depth - 1] }, y, addends: addends, rectifies: true, pass)
        tapes.append(lastTapes)
        let blockTapes = blocks.indices.map { block in
            Tape(
                x: x[block], units: tapes.map { $0[block] }, downsample: shortcuts.isEmpty ? nil : shortcutTapes[block])
        }
        return (result, blockTapes)
    }

    /// Carries gradients back through the same block of several experts.
    ///
    /// `g` is already gated by the block's output; the result is gated by its input if `masksInput`.
    static func backward(
        _ blocks: [ResidualBlock], _ g: [[Tensor]], _ tapes: [Tape], masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [[Tensor]] {
        let shortcuts = blocks.compactMap(\.downsample)
        var addends = g
        if !shortcuts.isEmpty {
            addends = try NormalizedConvolution.backward(
                shortcuts, g, tapes.compactMap(\.downsample), masksInput: false, pass, into: gradients)
        } else if blocks.first?.paddedChannels != nil {
            addends = zip(g, tapes).map { g, tape in zip(g, tape.x).map { PaddedShortcut.backward($0, like: $1) } }
        }
        var g = g
        for level in (0..<(blocks.first?.units.count ?? 0)).reversed() {
            g = try NormalizedConvolution.backward(
                blocks.map { $0.units[level] }, g, tapes.map { $0.units[level] },
                addends: level == 0 ? addends : nil, masksInput: level > 0 || masksInput, pass, into: gradients)
        }
        return g
    }
}
