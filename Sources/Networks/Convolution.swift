import Tensors

/// A convolution without bias (torch.nn.Conv2d), the filter kept as HWIO.
struct Convolution {
    let path: String
    let weight: Slot
    let kernel: Int
    let stride: Int
    let padding: Int
    let inputs: Int
    let outputs: Int

    /// - Parameter padding: Zeros around the map; nil keeps its size at stride 1.
    init(
        _ path: String, inputs: Int, outputs: Int, kernel: Int, stride: Int, padding: Int? = nil,
        _ parameters: Parameters, _ initializer: Initializer, group: ParameterGroup = .backbone,
        owner: ExpertOwner? = nil
    ) {
        self.path = path
        self.kernel = kernel
        self.stride = stride
        self.padding = padding ?? kernel / 2
        self.inputs = inputs
        self.outputs = outputs
        weight = parameters.register(
            "\(path).weight", .convolution(kernel: kernel, inputs: inputs, outputs: outputs), initializer,
            group: group, owner: owner)
    }

    /// A convolution whose filter is a slot registered elsewhere.
    init(_ path: String, inputs: Int, outputs: Int, kernel: Int, stride: Int, weight: Slot) {
        self.path = path
        self.kernel = kernel
        self.stride = stride
        padding = kernel / 2
        self.inputs = inputs
        self.outputs = outputs
        self.weight = weight
    }

    private func convolutionKernel(_ x: Tensor, _ pass: Pass) -> ConvolutionKernel {
        ConvolutionKernel(geometry(images: x.images, height: x.height, width: x.width), pass.arithmetic)
    }

    /// The shape for a batch of maps.
    func geometry(images: Int, height: Int, width: Int) -> ConvolutionGeometry {
        ConvolutionGeometry(
            images: images, height: height, width: width, inputChannels: inputs, outputChannels: outputs,
            kernel: kernel, stride: stride, padding: padding)
    }

    /// An output for images of the same maps as `x`.
    func makeOutput(_ x: Tensor) -> Tensor {
        let shape = geometry(images: x.images, height: x.height, width: x.width)
        return Tensor(
            x.workspace, images: x.images, height: shape.outputHeight, width: shape.outputWidth, channels: outputs)
    }

    /// Convolves one shard.
    /// - Parameters:
    ///   - scale: Factors of the output channels, folded into the filter, or nil.
    ///   - shift: Added to each output pixel, or nil.
    ///   - addend: Added to the output, or nil.
    func forward(
        _ x: Tensor, scale: [Float]? = nil, shift: [Float]? = nil, addend: Tensor? = nil, rectifies: Bool = false,
        _ pass: Pass
    ) -> Tensor {
        let y = makeOutput(x)
        forward(x, scale: scale, shift: shift, addend: addend, rectifies: rectifies, into: y, pass)
        return y
    }

    /// Convolves one shard into a tensor, or slice, of the output's shape.
    func forward(
        _ x: Tensor, scale: [Float]? = nil, shift: [Float]? = nil, addend: Tensor? = nil, rectifies: Bool = false,
        into y: Tensor, _ pass: Pass
    ) {
        if x.images == 0 { return }
        let kernel = convolutionKernel(x, pass)
        pass.workspace.withScratch(outputs) { bias in
            if let shift { bias.update(from: shift, count: outputs) }
            let epilogue = Epilogue(
                bias: shift == nil ? nil : bias, addend: addend?.pointer, rectifies: rectifies)
            pass.filters.withFilter(kernel, .forward, weight, scale: scale, pass) { filter in
                kernel.forward(x.pointer, filter, into: y.pointer, epilogue, pass.workspace)
            }
        }
    }

    /// Convolves one shard into `y` and returns the moments of the output, at no extra pass over memory.
    /// - Parameter center: Values near the means, around which the moments are added up.
    func forwardWithMoments(_ x: Tensor, center: [Float], into y: Tensor, _ pass: Pass) -> ChannelMoments {
        let kernel = convolutionKernel(x, pass)
        let chunks = x.images == 0 ? 0 : kernel.statisticsChunks
        let centerSize = (outputs + 15) / 16 * 16
        let sums = pass.workspace.withScratch(centerSize + chunks * 2 * outputs) { middle in
            let partial = middle + centerSize
            middle.update(from: center, count: outputs)
            if x.images > 0 {
                pass.filters.withFilter(kernel, .forward, weight, scale: nil, pass) { filter in
                    kernel.forward(
                        x.pointer, filter, into: y.pointer, Epilogue(statistics: partial, center: middle),
                        pass.workspace)
                }
            }
            return ChannelOperations.combine(partial, chunks: chunks, channels: outputs)
        }
        return ChannelMoments(count: y.images * y.pixels, sums, around: center)
    }

    /// Returns the gradient of the input of one shard: convᵀ(dy), plus `addend`, kept where `mask` is positive.
    func inputGradient(
        _ dy: Tensor, like x: Tensor, scale: [Float]? = nil, addend: Tensor? = nil, mask: Tensor? = nil, _ pass: Pass
    ) -> Tensor {
        let dx = Tensor(like: x)
        inputGradient(dy, scale: scale, addend: addend, mask: mask, into: dx, pass)
        return dx
    }

    /// Computes the gradient of the input of one shard into a tensor, or slice, of the input's shape.
    func inputGradient(
        _ dy: Tensor, scale: [Float]? = nil, addend: Tensor? = nil, mask: Tensor? = nil, into dx: Tensor, _ pass: Pass
    ) {
        if dx.images == 0 { return }
        let kernel = convolutionKernel(dx, pass)
        let epilogue = Epilogue(addend: addend?.pointer, mask: mask?.pointer)
        pass.filters.withFilter(kernel, .inputGradient, weight, scale: scale, pass) { filter in
            kernel.inputGradient(dy.pointer, filter, into: dx.pointer, epilogue, pass.workspace)
        }
    }

    /// Adds the weight gradient of one shard.
    func addWeightGradient(_ x: Tensor, _ dy: Tensor, into gradients: Gradients, shard: Int, _ pass: Pass) {
        if x.images == 0 || !gradients.wants(weight) { return }
        convolutionKernel(x, pass).weightGradient(
            x.pointer, dy.pointer, into: gradients.pointer(weight, shard: shard), pass.workspace)
    }
}
