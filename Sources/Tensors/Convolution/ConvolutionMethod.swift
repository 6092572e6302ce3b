/// One algorithm for one pass of one shape: the single place that tells algorithms apart.
///
/// An enumeration rather than a protocol: through a protocol the generic transforms run unspecialized, at 0.7 of the speed.
enum ConvolutionMethod {
    case patches(PatchConvolution)
    case winograd2(WinogradConvolution<Winograd2>)
    case winograd4(WinogradConvolution<Winograd4>)
    case phases2(WinogradConvolution<WinogradPhase2>)
    case phases4(WinogradConvolution<WinogradPhase4>)

    init(
        _ geometry: ConvolutionGeometry, groups: [Range<Int>], _ pass: ConvolutionPass,
        _ algorithm: ConvolutionAlgorithm, _ factors: ProductFactors
    ) {
        switch algorithm {
        case .patches: self = .patches(PatchConvolution(geometry, groups: groups, rotates: pass == .inputGradient))
        case .winograd2: self = .winograd2(WinogradConvolution(geometry, groups: groups, pass, factors))
        case .winograd4: self = .winograd4(WinogradConvolution(geometry, groups: groups, pass, factors))
        case .phases2: self = .phases2(WinogradConvolution(geometry, groups: groups, pass, factors))
        case .phases4: self = .phases4(WinogradConvolution(geometry, groups: groups, pass, factors))
        }
    }

    var multiplyAdds: Int {
        switch self {
        case .patches(let method): method.multiplyAdds
        case .winograd2(let method): method.multiplyAdds
        case .winograd4(let method): method.multiplyAdds
        case .phases2(let method): method.multiplyAdds
        case .phases4(let method): method.multiplyAdds
        }
    }

    /// Floats of the prepared filter.
    var filterSize: Int {
        switch self {
        case .patches(let method): method.filterSize
        case .winograd2(let method): method.filterSize
        case .winograd4(let method): method.filterSize
        case .phases2(let method): method.filterSize
        case .phases4(let method): method.filterSize
        }
    }

    /// Pairs of partial sums that ``carry(_:scale:_:into:_:_:)`` writes when the epilogue asks for statistics.
    var statisticsChunks: Int {
        switch self {
        case .patches(let method): method.statisticsChunks
        case .winograd2(let method): method.statisticsChunks
        case .winograd4(let method): method.statisticsChunks
        case .phases2(let method): method.statisticsChunks
        case .phases4(let method): method.statisticsChunks
        }
    }

    /// Prepares a layer's HWIO filter for ``carry(_:scale:_:into:_:_:)``.
    func prepareFilter(_ weights: FloatPointer, into prepared: FloatPointer, _ workspace: Workspace) {
        switch self {
        case .patches(let method): prepared.update(from: weights, count: method.filterSize)
        case .winograd2(let method): method.transformFilter(weights, into: prepared, workspace)
        case .winograd4(let method): method.transformFilter(weights, into: prepared, workspace)
        case .phases2(let method): method.transformFilter(weights, into: prepared, workspace)
        case .phases4(let method): method.transformFilter(weights, into: prepared, workspace)
        }
    }

    /// Carries values forward, or gradients times `scale` back, according to the pass that the method was made for.
    func carry(
        _ x: FloatPointer, scale: FloatPointer?, _ filters: [FloatPointer], into y: FloatPointer, _ epilogue: Epilogue,
        _ workspace: Workspace
    ) {
        switch self {
        case .patches(let method): method.carry(x, scale: scale, filters, into: y, epilogue, workspace)
        case .winograd2(let method): method.forward(x, scale: scale, filters, into: y, epilogue, workspace)
        case .winograd4(let method): method.forward(x, scale: scale, filters, into: y, epilogue, workspace)
        case .phases2(let method): method.forward(x, scale: scale, filters, into: y, epilogue, workspace)
        case .phases4(let method): method.forward(x, scale: scale, filters, into: y, epilogue, workspace)
        }
    }

    /// Adds the weight gradient of each group to its own `dw`, HWIO.
    func weightGradient(_ x: FloatPointer, _ dy: FloatPointer, into dw: [FloatPointer], _ workspace: Workspace) {
        switch self {
        case .patches(let method): method.weightGradient(x, dy, into: dw, workspace)
        case .winograd2(let method): method.weightGradient(x, dy, into: dw, workspace)
        case .winograd4(let method): method.weightGradient(x, dy, into: dw, workspace)
        case .phases2(let method): method.weightGradient(x, dy, into: dw, workspace)
        case .phases4(let method): method.weightGradient(x, dy, into: dw, workspace)
        }
    }
}
