/// Whether kernels may use arithmetic that rounds differently from direct convolution.
public enum Arithmetic: String, Sendable, CaseIterable {
    /// Winograd convolutions where they win, batch norm folded into filters.
    case fast
    /// Direct multiply-adds only, nothing folded.
    case exact
}

/// Which of the three products of a convolution is computed.
public enum ConvolutionPass: Hashable, Sendable {
    case forward, inputGradient, weightGradient
}

/// How a convolution is computed.
public enum ConvolutionAlgorithm: Hashable, Sendable {
    /// Matrix products over gathered patches: any shape.
    case patches
    /// Winograd F(2×2, 3×3): 2.25 times fewer multiply-adds.
    case winograd2
    /// Winograd F(4×4, 3×3): 4 times fewer multiply-adds, filters of 4 times the memory.
    case winograd4

    /// The table of choices: a pure function of shape and pass, so that results depend on neither timing nor threads.
    ///
    /// Winograd wins at every measured 3×3 stride-1 shape of 16 to 512 channels, unless few tiles share a filter that
    /// has to be streamed from memory: then F(2×2) streams less, and patches least.
    public static func chosen(
        for geometry: ConvolutionGeometry, _ pass: ConvolutionPass, _ arithmetic: Arithmetic
    ) -> ConvolutionAlgorithm {
        guard arithmetic == .fast, geometry.kernel == 3, geometry.stride == 1, geometry.padding == 1,
            geometry.inputChannels % lanes == 0, geometry.outputChannels % lanes == 0
        else { return .patches }
        let isWide = geometry.inputChannels * geometry.outputChannels >= 512 * 512
        let tiles = WinogradTiles(geometry, outputs: Winograd4.outputs).count
        switch pass {
        case .forward, .inputGradient: return isWide && tiles < 16 ? .winograd2 : .winograd4
        case .weightGradient: return !isWide || tiles >= 64 ? .winograd4 : tiles >= 8 ? .winograd2 : .patches
        }
    }
}

/// The convolution of one shape with its chosen algorithms: forward, input gradient and weight gradient.
///
/// Filters are prepared (transformed, scaled) apart from their use, so that they can be kept while weights stand still.
public struct ConvolutionKernel {
    /// The shape.
    public let geometry: ConvolutionGeometry
    private let arithmetic: Arithmetic

    /// Makes the kernel of a shape.
    public init(_ geometry: ConvolutionGeometry, _ arithmetic: Arithmetic) {
        self.geometry = geometry
        self.arithmetic = arithmetic
    }

    /// The algorithm of a pass.
    public func algorithm(_ pass: ConvolutionPass) -> ConvolutionAlgorithm {
        .chosen(for: geometry, pass, arithmetic)
    }

    /// Multiply-adds that a pass executes, as the table of algorithms predicts them.
    public func multiplyAdds(_ pass: ConvolutionPass) -> Int {
        let shape = pass == .inputGradient ? geometry.inputGradient : geometry
        switch algorithm(pass) {
        case .patches: return geometry.directMultiplyAdds
        case .winograd2: return WinogradConvolution<Winograd2>(shape).multiplyAdds
        case .winograd4: return WinogradConvolution<Winograd4>(shape).multiplyAdds
        }
    }

    /// Floats of the prepared filter of a pass.
    public func preparedFilterSize(_ pass: ConvolutionPass) -> Int {
        let shape = pass == .inputGradient ? geometry.inputGradient : geometry
        switch algorithm(pass) {
        case .patches: return geometry.patchSize * geometry.outputChannels
        case .winograd2: return WinogradConvolution<Winograd2>(shape).filterSize
        case .winograd4: return WinogradConvolution<Winograd4>(shape).filterSize
        }
    }

    /// Whether the filter of a pass is used as it is stored when nothing scales it.
    public func usesStoredFilter(_ pass: ConvolutionPass) -> Bool { algorithm(pass) == .patches }

    /// Prepares the filter of a forward or input-gradient pass.
    ///
    /// - Parameters:
    ///   - weights: The layer's filter, HWIO.
    ///   - scale: Multiplies each output channel, `[outputChannels]`, or nil.
    ///   - prepared: Receives ``preparedFilterSize(_:)`` floats.
    public func prepareFilter(
        _ pass: ConvolutionPass, _ weights: FloatPointer, scale: FloatPointer?, into prepared: FloatPointer,
        _ workspace: Workspace
    ) {
        let rotates = pass == .inputGradient
        let shape = rotates ? geometry.inputGradient : geometry
        func transform<Transform: WinogradTransform>(_ kernel: WinogradConvolution<Transform>) {
            if rotates {
                kernel.transformRotatedFilter(weights, scale: scale, into: prepared, workspace)
            } else {
                kernel.transformFilter(weights, scale: scale, into: prepared, workspace)
            }
        }
        switch algorithm(pass) {
        case .winograd2: transform(WinogradConvolution<Winograd2>(shape))
        case .winograd4: transform(WinogradConvolution<Winograd4>(shape))
        case .patches:
            let outputs = geometry.outputChannels
            for row in 0..<geometry.patchSize {
                for k in 0..<outputs {
                    prepared[row * outputs + k] = weights[row * outputs + k] * (scale.map { $0[k] } ?? 1)
                }
            }
        }
    }

    /// Pairs of partial sums that ``forward(_:_:into:_:_:)`` writes when the epilogue asks for statistics.
    public var statisticsChunks: Int {
        switch algorithm(.forward) {
        case .patches: PatchConvolution(geometry).blocks
        case .winograd2: WinogradConvolution<Winograd2>(geometry).statisticsChunks
        case .winograd4: WinogradConvolution<Winograd4>(geometry).statisticsChunks
        }
    }

    /// Computes y = conv(x) with a prepared filter; `x` and `y` are NHWC and 64-byte aligned.
    public func forward(
        _ x: FloatPointer, _ prepared: FloatPointer, into y: FloatPointer, _ epilogue: Epilogue, _ workspace: Workspace
    ) {
        switch algorithm(.forward) {
        case .patches: PatchConvolution(geometry).forward(x, prepared, into: y, epilogue, workspace)
        case .winograd2: WinogradConvolution<Winograd2>(geometry).forward(x, prepared, into: y, epilogue, workspace)
        case .winograd4: WinogradConvolution<Winograd4>(geometry).forward(x, prepared, into: y, epilogue, workspace)
        }
    }

    /// Computes dx = convᵀ(dy) with a filter prepared for that pass; the epilogue sees dx.
    public func inputGradient(
        _ dy: FloatPointer, _ prepared: FloatPointer, into dx: FloatPointer, _ epilogue: Epilogue,
        _ workspace: Workspace
    ) {
        let back = geometry.inputGradient
        switch algorithm(.inputGradient) {
        case .patches: PatchConvolution(geometry).inputGradient(dy, prepared, into: dx, epilogue, workspace)
        case .winograd2: WinogradConvolution<Winograd2>(back).forward(dy, prepared, into: dx, epilogue, workspace)
        case .winograd4: WinogradConvolution<Winograd4>(back).forward(dy, prepared, into: dx, epilogue, workspace)
        }
    }

    /// Adds the weight gradient to `dw`, HWIO.
    public func weightGradient(_ x: FloatPointer, _ dy: FloatPointer, into dw: FloatPointer, _ workspace: Workspace) {
        switch algorithm(.weightGradient) {
        case .patches: PatchConvolution(geometry).weightGradient(x, dy, into: dw, workspace)
        case .winograd2: WinogradConvolution<Winograd2>(geometry).weightGradient(x, dy, into: dw, workspace)
        case .winograd4: WinogradConvolution<Winograd4>(geometry).weightGradient(x, dy, into: dw, workspace)
        }
    }
}
