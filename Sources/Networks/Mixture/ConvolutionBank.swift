import Tensors

/// A convolution of one or more slabs of filters, of which each image meets one.
///
/// One slab is an ordinary convolution. Several are AdvMoE's convolution (arXiv:2308.10110): slab e is expert e, with
/// output channels of its own that land in the same compact map, whose batch norm all share; which slab an image meets is
/// said by ``Pass/shared``, the batch being sorted by it. Only chosen slabs run, each on consecutive images.
struct ConvolutionBank {
    let slabs: [Convolution]

    init(_ convolution: Convolution) { slabs = [convolution] }

    init(slabs: [Convolution]) { self.slabs = slabs }

    /// Whether the images' experts have a say.
    var isMixture: Bool { slabs.count > 1 }

    /// The filters that the images of a shard meet: those of chosen slabs; nil where there is one.
    private func parts(shard: Int, _ pass: Pass) -> [FilterPart]? {
        if slabs.count == 1 { return nil }
        guard let shared = pass.shared else {
            preconditionFailure("\(slabs[0].path): a pass without shared routes")
        }
        return zip(slabs, shared.ranges[shard]).filter { !$1.isEmpty }.map { FilterPart(filter: $0.weight, images: $1) }
    }

    /// Convolves one shard; see ``Convolution/forward(_:parts:scale:shift:addend:rectifies:_:)``.
    func forward(
        _ x: Tensor, shard: Int, scale: [Float]? = nil, shift: [Float]? = nil, addend: Tensor? = nil,
        rectifies: Bool = false, _ pass: Pass
    ) -> Tensor {
        slabs[0].forward(
            x, parts: parts(shard: shard, pass), scale: scale, shift: shift, addend: addend, rectifies: rectifies, pass)
    }

    /// Convolves one shard and returns the moments of the output, of all slabs together.
    func forwardWithMoments(
        _ x: Tensor, shard: Int, center: [Float], _ pass: Pass
    ) -> (y: Tensor, moments: ChannelMoments) {
        slabs[0].forwardWithMoments(x, parts: parts(shard: shard, pass), center: center, pass)
    }

    /// Returns the gradient of the input of one shard.
    func inputGradient(
        _ dy: Tensor, like x: Tensor, shard: Int, scale: [Float]? = nil, addend: Tensor? = nil, mask: Tensor? = nil,
        _ pass: Pass
    ) -> Tensor {
        slabs[0].inputGradient(
            dy, like: x, parts: parts(shard: shard, pass), scale: scale, addend: addend, mask: mask, pass)
    }

    /// Adds the weight gradients of one shard.
    func addWeightGradient(_ x: Tensor, _ dy: Tensor, into gradients: GradientAccumulator, shard: Int, _ pass: Pass) {
        slabs[0].addWeightGradient(x, dy, parts: parts(shard: shard, pass), into: gradients, shard: shard, pass)
    }

    /// Tells the routes what each image's choice was worth here: the straight-through gradient ⟨dY, Y⟩ of the score of the
    /// expert chosen, Y being the output in front of the batch norm.
    ///
    /// - Parameters:
    ///   - dy: The gradient of the output; when folded, of what lies behind shift, addition and ReLU, gated by the latter.
    ///   - y: The output; when folded, what lies behind shift, addition and ReLU.
    ///   - shift: What a folded batch norm added, or nil.
    ///   - addend: What was added to a folded output, or nil.
    func noteScores(_ dy: Tensor, _ y: Tensor, shift: [Float]?, addend: Tensor?, shard: Int, _ pass: Pass) {
        guard let scores = pass.shared?.scoreGradients else { return }
        // Folded, the output has the batch norm's factor and the gradient lacks it, which comes to the same; and where
        // the ReLU lets a gradient pass, what lies in front of it is the output itself.
        scores.add(ImageSelection.innerProducts(dy, y, shift: shift, addend: addend), shard: shard)
    }
}
