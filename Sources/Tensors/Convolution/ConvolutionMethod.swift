/// One algorithm for one pass of one shape, over consecutive groups of images that meet a filter of their own.
protocol ConvolutionMethod {
    /// Prepares one pass of a layer's convolution.
    init(_ geometry: ConvolutionGeometry, groups: [Range<Int>], _ pass: ConvolutionPass)

    /// Multiply-adds of the pass.
    var multiplyAdds: Int { get }
    /// Floats of the prepared filter.
    var filterSize: Int { get }
    /// Pairs of partial sums that ``carry(_:scale:_:into:_:_:)`` writes when the epilogue asks for statistics.
    var statisticsChunks: Int { get }

    /// Prepares a layer's HWIO filter for ``carry(_:scale:_:into:_:_:)``.
    func prepareFilter(_ weights: FloatPointer, into prepared: FloatPointer, _ workspace: Workspace)

    /// Carries values forward, or gradients back, according to the pass that the method was made for.
    ///
    /// - Parameters:
    ///   - scale: Multiplies each channel of a gradient that is carried back, or nil.
    ///   - filters: One of each group, prepared.
    func carry(
        _ x: FloatPointer, scale: FloatPointer?, _ filters: [FloatPointer], into y: FloatPointer, _ epilogue: Epilogue,
        _ workspace: Workspace)

    /// Adds the weight gradient of each group to its own `dw`, HWIO.
    func weightGradient(_ x: FloatPointer, _ dy: FloatPointer, into dw: [FloatPointer], _ workspace: Workspace)
}

extension ConvolutionAlgorithm {
    /// What computes by this algorithm: the single place that tells algorithms apart.
    var method: any ConvolutionMethod.Type {
        switch self {
        case .patches: PatchConvolution.self
        case .winograd2: WinogradConvolution<Winograd2>.self
        case .winograd4: WinogradConvolution<Winograd4>.self
        case .phases2: WinogradConvolution<WinogradPhase2>.self
        case .phases4: WinogradConvolution<WinogradPhase4>.self
        }
    }
}
