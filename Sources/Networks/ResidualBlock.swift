import Tensors

/// torchvision's BasicBlock: ReLU(BN(conv3×3(ReLU(BN(conv3×3(x))))) + shortcut(x)), the shortcut a 1×1 convolution with
/// batch norm where the shape changes.
///
/// Functions take the same block of several experts at once, `[block][shard]`.
struct ResidualBlock {
    let first: NormalizedConvolution
    let second: NormalizedConvolution
    let downsample: NormalizedConvolution?

    struct Tape {
        let first: NormalizedConvolution.Tape
        let second: NormalizedConvolution.Tape
        let downsample: NormalizedConvolution.Tape?
    }

    static func forward(
        _ blocks: [ResidualBlock], _ x: [[Tensor]], _ pass: Pass
    ) throws -> (y: [[Tensor]], tapes: [Tape]) {
        let (hidden, firstTapes) = try NormalizedConvolution.forward(blocks.map(\.first), x, rectifies: true, pass)
        let shortcuts = blocks.compactMap(\.downsample)
        var addends = x
        var shortcutTapes: [NormalizedConvolution.Tape] = []
        if !shortcuts.isEmpty {
            (addends, shortcutTapes) = try NormalizedConvolution.forward(shortcuts, x, rectifies: false, pass)
        }
        let (y, secondTapes) = try NormalizedConvolution.forward(
            blocks.map(\.second), hidden, addends: addends, rectifies: true, pass)
        let tapes = blocks.indices.map {
            Tape(
                first: firstTapes[$0], second: secondTapes[$0],
                downsample: shortcuts.isEmpty ? nil : shortcutTapes[$0])
        }
        return (y, tapes)
    }

    /// Carries gradients back through the same block of several experts.
    ///
    /// `g` is already gated by the block's output; the result is gated by its input if `masksInput`.
    static func backward(
        _ blocks: [ResidualBlock], _ g: [[Tensor]], _ tapes: [Tape], masksInput: Bool, _ pass: Pass,
        into gradients: Gradients?
    ) throws -> [[Tensor]] {
        let shortcuts = blocks.compactMap(\.downsample)
        var addends = g
        if !shortcuts.isEmpty {
            addends = try NormalizedConvolution.backward(
                shortcuts, g, tapes.compactMap(\.downsample), masksInput: false, pass, into: gradients)
        }
        let dHidden = try NormalizedConvolution.backward(
            blocks.map(\.second), g, tapes.map(\.second), masksInput: true, pass, into: gradients)
        return try NormalizedConvolution.backward(
            blocks.map(\.first), dHidden, tapes.map(\.first), addends: addends, masksInput: masksInput, pass,
            into: gradients)
    }
}
