/// The convolution of one shape with its chosen algorithms: forward, input gradient and weight gradient.
///
/// Filters are prepared (transformed, scaled) apart from their use, so that they can be kept while weights stand still.
public struct ConvolutionKernel {
    /// The shape.
    public let geometry: ConvolutionGeometry
    private let choose: (ConvolutionPass) -> ConvolutionAlgorithm

    /// Makes the kernel of a shape, with the table's algorithms.
    public init(_ geometry: ConvolutionGeometry, _ arithmetic: Arithmetic) {
        self.geometry = geometry
        choose = { .chosen(for: geometry, $0, arithmetic) }
    }

    /// Makes the kernel of a shape that uses one algorithm for all passes, to compare algorithms by.
    public init(_ geometry: ConvolutionGeometry, always algorithm: ConvolutionAlgorithm) {
        self.geometry = geometry
        choose = { _ in algorithm }
    }

    private func method(_ pass: ConvolutionPass) -> ConvolutionMethod { .init(geometry, pass, choose(pass)) }

    /// The algorithm of a pass.
    public func algorithm(_ pass: ConvolutionPass) -> ConvolutionAlgorithm { choose(pass) }

    /// Multiply-adds that a pass executes, as the table of algorithms predicts them.
    public func multiplyAdds(_ pass: ConvolutionPass) -> Int { method(pass).multiplyAdds }

    /// Floats of the prepared filter of a pass.
    public func preparedFilterSize(_ pass: ConvolutionPass) -> Int { method(pass).filterSize }

    /// Whether the filter of a pass is used as it is stored when nothing scales it.
    public func usesStoredFilter(_ pass: ConvolutionPass) -> Bool { algorithm(pass) == .patches }

    /// Pairs of partial sums that ``forward(_:_:into:_:_:)`` writes when the epilogue asks for statistics.
    public var statisticsChunks: Int { method(.forward).statisticsChunks }

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
        method(pass).prepareFilter(weights, scale: scale, into: prepared, workspace)
    }

    /// Computes y = conv(x) with a prepared filter; `x` and `y` are NHWC and 64-byte aligned.
    public func forward(
        _ x: FloatPointer, _ prepared: FloatPointer, into y: FloatPointer, _ epilogue: Epilogue, _ workspace: Workspace
    ) {
        method(.forward).carry(x, prepared, into: y, epilogue, workspace)
    }

    /// Computes dx = convᵀ(dy) with a filter prepared for that pass; the epilogue sees dx.
    public func inputGradient(
        _ dy: FloatPointer, _ prepared: FloatPointer, into dx: FloatPointer, _ epilogue: Epilogue,
        _ workspace: Workspace
    ) {
        method(.inputGradient).carry(dy, prepared, into: dx, epilogue, workspace)
    }

    /// Adds the weight gradient to `dw`, HWIO.
    public func weightGradient(_ x: FloatPointer, _ dy: FloatPointer, into dw: FloatPointer, _ workspace: Workspace) {
        method(.weightGradient).weightGradient(x, dy, into: dw, workspace)
    }
}
