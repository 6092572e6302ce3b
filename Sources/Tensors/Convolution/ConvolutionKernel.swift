/// The convolution of one shape with its chosen algorithms: forward, input gradient and weight gradient.
///
/// Filters are prepared (transformed) apart from their use, so that they can be kept while weights stand still. The images
/// may be cut into groups, each with a filter of its own: lists of filters have one for each group.
public struct ConvolutionKernel {
    /// The shape, of all groups together.
    public let geometry: ConvolutionGeometry
    /// Consecutive images that meet a filter of their own; together they are all images.
    public let groups: [Range<Int>]
    private let choose: (ConvolutionPass) -> ConvolutionAlgorithm
    private let arithmetic: Arithmetic

    /// Makes the kernel of a shape, with the table's algorithms.
    /// - Parameter groups: See ``groups``; nil for one filter that all images meet.
    public init(_ geometry: ConvolutionGeometry, _ arithmetic: Arithmetic, groups: [Range<Int>]? = nil) {
        self.geometry = geometry
        let groups = groups ?? [0..<geometry.images]
        self.groups = groups
        self.arithmetic = arithmetic
        choose = { .chosen(for: geometry, groups: groups.count, $0, arithmetic) }
    }

    /// Makes the kernel of a shape that uses one algorithm for all passes, to compare algorithms by.
    public init(
        _ geometry: ConvolutionGeometry, always algorithm: ConvolutionAlgorithm, _ arithmetic: Arithmetic = .fast,
        groups: [Range<Int>]? = nil
    ) {
        self.geometry = geometry
        self.groups = groups ?? [0..<geometry.images]
        self.arithmetic = arithmetic
        choose = { _ in algorithm }
    }

    private func method(_ pass: ConvolutionPass) -> ConvolutionMethod {
        .init(geometry, groups: groups, pass, choose(pass), factors(pass))
    }

    /// The algorithm of a pass.
    public func algorithm(_ pass: ConvolutionPass) -> ConvolutionAlgorithm { choose(pass) }

    /// How a pass by Winograd stores what its products take.
    public func factors(_ pass: ConvolutionPass) -> ProductFactors {
        arithmetic == .bfloat16 && pass != .weightGradient ? .bfloat16 : .single
    }

    /// Multiply-adds that a pass executes, as the table of algorithms predicts them.
    public func multiplyAdds(_ pass: ConvolutionPass) -> Int { method(pass).multiplyAdds }

    /// Floats of one prepared filter of a pass.
    public func preparedFilterSize(_ pass: ConvolutionPass) -> Int { method(pass).filterSize }

    /// Whether the filter of a pass is used as it is stored.
    public func usesStoredFilter(_ pass: ConvolutionPass) -> Bool { algorithm(pass) == .patches }

    /// Pairs of partial sums that ``forward(_:_:into:_:_:)`` writes when the epilogue asks for statistics.
    public var statisticsChunks: Int { method(.forward).statisticsChunks }

    /// Prepares one filter for a forward or input-gradient pass.
    ///
    /// - Parameters:
    ///   - weights: The layer's filter, HWIO.
    ///   - prepared: Receives ``preparedFilterSize(_:)`` floats.
    public func prepareFilter(
        _ pass: ConvolutionPass, _ weights: FloatPointer, into prepared: FloatPointer, _ workspace: Workspace
    ) {
        method(pass).prepareFilter(weights, into: prepared, workspace)
    }

    /// Computes y = conv(x) with prepared filters; `x` and `y` are NHWC and 64-byte aligned.
    public func forward(
        _ x: FloatPointer, _ prepared: [FloatPointer], into y: FloatPointer, _ epilogue: Epilogue,
        _ workspace: Workspace
    ) {
        method(.forward).carry(x, scale: nil, prepared, into: y, epilogue, workspace)
    }

    /// Computes dx = convᵀ(dy · scale) with filters prepared for that pass; the epilogue sees dx.
    /// - Parameter scale: Factors of the output channels, or nil.
    public func inputGradient(
        _ dy: FloatPointer, scale: FloatPointer? = nil, _ prepared: [FloatPointer], into dx: FloatPointer,
        _ epilogue: Epilogue, _ workspace: Workspace
    ) {
        method(.inputGradient).carry(dy, scale: scale, prepared, into: dx, epilogue, workspace)
    }

    /// Adds the weight gradient of each group to its own `dw`, HWIO.
    public func weightGradient(
        _ x: FloatPointer, _ dy: FloatPointer, into dw: [FloatPointer], _ workspace: Workspace
    ) {
        method(.weightGradient).weightGradient(x, dy, into: dw, workspace)
    }
}
