import Tensors

/// A residual block whose batch norms and ReLUs stand in front of its convolutions (He et al., arXiv:1603.05027):
/// a = ReLU(BN₁(x)), y = conv₂(ReLU(BN₂(conv₁(a)))) + shortcut.
///
/// The shortcut is x, or, where the shape changes, a 1×1 convolution of a without batch norm, as in wide ResNets
/// (arXiv:1605.07146). BN₂ folds into conv₁ in frozen attacks; BN₁ stays a pass of its own. The output is a sum, no
/// ReLU's. Functions take the same block of several experts at once, `[block][shard]`.
struct PreactivationBlock: ParallelBlock {
    /// BN₁ and its ReLU.
    let activation: RectifiedNorm
    /// conv₁ and BN₂.
    let inner: NormalizedConvolution
    /// conv₂.
    let outer: NormalizedConvolution
    let shortcut: NormalizedConvolution?
    /// Whether conv₁ and the shortcut see x itself: BN₁ then follows the batch, and has no effect.
    let skipsActivation: Bool

    struct Tape {
        /// None where the activation is skipped.
        let activation: RectifiedNorm.Tape?
        let inner: NormalizedConvolution.Tape
        let outer: NormalizedConvolution.Tape
        let shortcut: NormalizedConvolution.Tape?
    }

    var isRectified: Bool { false }

    static func forward(
        _ blocks: [PreactivationBlock], _ x: [[Tensor]], _ pass: Pass
    ) throws -> (y: [[Tensor]], tapes: [Tape]) {
        var a = x
        var activationTapes: [RectifiedNorm.Tape?] = blocks.map { _ in nil }
        if blocks.contains(where: \.skipsActivation) {
            // Its moments still enter the running statistics.
            if pass.record != nil, pass.normalization != .running {
                _ = try RectifiedNorm.coefficients(blocks.map(\.activation), x, pass)
            }
        } else {
            let (activated, tapes) = try RectifiedNorm.forward(blocks.map(\.activation), x, pass)
            (a, activationTapes) = (activated, tapes)
        }
        let (hidden, innerTapes) = try NormalizedConvolution.forward(blocks.map(\.inner), a, rectifies: true, pass)
        let shortcuts = blocks.compactMap(\.shortcut)
        var addends = x
        var shortcutTapes: [NormalizedConvolution.Tape] = []
        if !shortcuts.isEmpty {
            (addends, shortcutTapes) = try NormalizedConvolution.forward(shortcuts, a, rectifies: false, pass)
        }
        let (y, outerTapes) = try NormalizedConvolution.forward(
            blocks.map(\.outer), hidden, addends: addends, rectifies: false, pass)
        let tapes = blocks.indices.map { block in
            Tape(
                activation: activationTapes[block], inner: innerTapes[block], outer: outerTapes[block],
                shortcut: shortcuts.isEmpty ? nil : shortcutTapes[block])
        }
        return (y, tapes)
    }

    static func backward(
        _ blocks: [PreactivationBlock], _ g: [[Tensor]], _ tapes: [Tape], masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [[Tensor]] {
        let shortcuts = blocks.compactMap(\.shortcut)
        let dHidden = try NormalizedConvolution.backward(
            blocks.map(\.outer), g, tapes.map(\.outer), masksInput: true, pass, into: gradients)
        let dShortcut =
            shortcuts.isEmpty
            ? nil
            : try NormalizedConvolution.backward(
                shortcuts, g, tapes.compactMap(\.shortcut), masksInput: false, pass, into: gradients)
        let activationTapes = tapes.compactMap(\.activation)
        let skips = activationTapes.isEmpty
        let dActivated = try NormalizedConvolution.backward(
            blocks.map(\.inner), dHidden, tapes.map(\.inner), addends: dShortcut ?? (skips ? g : nil),
            masksInput: skips ? masksInput : true, pass, into: gradients)
        if skips { return dActivated }
        return try RectifiedNorm.backward(
            blocks.map(\.activation), dActivated, activationTapes, addends: shortcuts.isEmpty ? g : nil,
            masksInput: masksInput, pass, into: gradients)
    }
}
