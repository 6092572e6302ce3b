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

    /// All images of a batch, which meet this convolution's own filter.
    private func whole(_ x: Tensor) -> [FilterPart] { [FilterPart(filter: weight, images: 0..<x.images)] }

    private func convolutionKernel(_ x: Tensor, _ parts: [FilterPart], _ pass: Pass) -> ConvolutionKernel {
        ConvolutionKernel(
            geometry(images: x.images, height: x.height, width: x.width), pass.arithmetic, groups: parts.map(\.images))
    }

    /// Floats that a list of the output channels takes in front of another one, in whole cache lines.
    private var alignedOutputs: Int { (outputs + 15) / 16 * 16 }

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
    ///   - parts: The filters that the images meet; nil for this convolution's own.
    ///   - scale: Factors of the output channels, or nil.
    ///   - shift: Added to each output pixel, or nil.
    ///   - addend: Added to the output, or nil.
    func forward(
        _ x: Tensor, parts: [FilterPart]? = nil, scale: [Float]? = nil, shift: [Float]? = nil, addend: Tensor? = nil,
        rectifies: Bool = false, _ pass: Pass
    ) -> Tensor {
        let y = makeOutput(x)
        if x.images == 0 { return y }
        let parts = parts ?? whole(x)
        let kernel = convolutionKernel(x, parts, pass)
        let channels = alignedOutputs
        pass.workspace.withScratch(2 * channels) { factors in
            let biases = factors + channels
            if let scale { factors.update(from: scale, count: outputs) }
            if let shift { biases.update(from: shift, count: outputs) }
            let epilogue = Epilogue(
                scale: scale == nil ? nil : factors, bias: shift == nil ? nil : biases, addend: addend?.pointer,
                rectifies: rectifies)
            pass.filters.withFilters(kernel, .forward, parts.map(\.filter), pass) { filters in
                kernel.forward(x.pointer, filters, into: y.pointer, epilogue, pass.workspace)
            }
        }
        return y
    }

    /// Convolves one shard and returns the moments of the output as well, at no extra pass over memory.
    /// - Parameter center: Values near the means, around which the moments are added up.
    func forwardWithMoments(
        _ x: Tensor, parts: [FilterPart]? = nil, center: [Float], _ pass: Pass
    ) -> (y: Tensor, moments: ChannelMoments) {
        let y = makeOutput(x)
        let parts = parts ?? whole(x)
        let kernel = convolutionKernel(x, parts, pass)
        let chunks = x.images == 0 ? 0 : kernel.statisticsChunks
        let centerSize = alignedOutputs
        let sums = pass.workspace.withScratch(centerSize + chunks * 2 * outputs) { middle in
            let partial = middle + centerSize
            middle.update(from: center, count: outputs)
            if x.images > 0 {
                pass.filters.withFilters(kernel, .forward, parts.map(\.filter), pass) { filters in
                    kernel.forward(
                        x.pointer, filters, into: y.pointer, Epilogue(statistics: partial, center: middle),
                        pass.workspace)
                }
            }
            return ChannelOperations.combine(partial, chunks: chunks, channels: outputs)
        }
        return (y, ChannelMoments(count: y.images * y.pixels, sums, around: center))
    }

    /// Returns the gradient of the input of one shard: convᵀ(dy · scale), plus `addend`, kept where `mask` is positive.
    func inputGradient(
        _ dy: Tensor, like x: Tensor, parts: [FilterPart]? = nil, scale: [Float]? = nil, addend: Tensor? = nil,
        mask: Tensor? = nil, _ pass: Pass
    ) -> Tensor {
        let dx = Tensor(like: x)
        if dx.images == 0 { return dx }
        let parts = parts ?? whole(x)
        let kernel = convolutionKernel(dx, parts, pass)
        let epilogue = Epilogue(addend: addend?.pointer, mask: mask?.pointer)
        pass.workspace.withScratch(outputs) { factors in
            if let scale { factors.update(from: scale, count: outputs) }
            pass.filters.withFilters(kernel, .inputGradient, parts.map(\.filter), pass) { filters in
                kernel.inputGradient(
                    dy.pointer, scale: scale == nil ? nil : factors, filters, into: dx.pointer, epilogue, pass.workspace
                )
            }
        }
        return dx
    }

    /// Adds the weight gradients of one shard.
    func addWeightGradient(
        _ x: Tensor, _ dy: Tensor, parts: [FilterPart]? = nil, into gradients: GradientAccumulator, shard: Int,
        _ pass: Pass
    ) {
        if x.images == 0 || !gradients.wants(weight) { return }
        let parts = parts ?? whole(x)
        let kernel = convolutionKernel(x, parts, pass)
        let targets = parts.map { gradients.pointer($0.filter, shard: shard) }
        guard weight.rows != nil else {
            return kernel.weightGradient(x.pointer, dy.pointer, into: targets, pass.workspace)
        }
        // Windows lie otherwise in memory, and may share outputs: each is added by itself.
        let size = weight.count
        pass.workspace.withScratch(parts.count * size) { scratch in
            scratch.update(repeating: 0, count: parts.count * size)
            let own = parts.indices.map { scratch + $0 * size }
            kernel.weightGradient(x.pointer, dy.pointer, into: own, pass.workspace)
            for (gradient, (part, target)) in zip(own, zip(parts, targets)) {
                guard let rows = part.filter.rows else { continue }
                MatrixProduct.addTranspose(rows.length, rows.count, gradient, to: target)
            }
        }
    }
}
