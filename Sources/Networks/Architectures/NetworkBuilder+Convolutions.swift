/// Convolutions of a network: plain, pruned, or mixtures of experts.
extension NetworkBuilder {
    /// A convolution's shape.
    struct Shape {
        var inputs: Int
        /// The inputs that are left where what comes before was pruned; nil means all.
        var keptInputs: [Int]?
        var outputs: Int
        var kernel: Int
        var stride = 1
        /// The map that it sees, if known.
        var map: MapSize?

        /// The map behind it.
        var outputMap: MapSize? { map?.after(kernel: kernel, stride: stride, padding: kernel / 2) }
        /// Multiply-adds of its filters, so many of them, for one image, if known.
        func multiplyAdds(outputs: Int) -> Int? {
            outputMap.map { $0.height * $0.width * kernel * kernel * presentInputs * outputs }
        }
        /// Inputs that there are.
        var presentInputs: Int { keptInputs?.count ?? inputs }
    }

    /// What a convolution is to its network: not all kinds of mixtures take all of them.
    enum Role {
        /// The first one.
        case stem
        /// One of a block's or a stage's own.
        case body
        /// The 1×1 convolution beside a block.
        case shortcut
        /// The 1×1 convolution between two blocks of a DenseNet.
        case transition
    }

    /// A convolution, or a mixture of convolutions, and its batch norm if `norm` names one.
    func unit(
        _ path: String, norm: String?, _ shape: Shape, _ role: Role = .body, owner: ExpertOwner? = nil
    ) throws -> NormalizedConvolution {
        guard shape.outputs > 0 else {
            throw NetworkError.invalid(
                "model.ratio \(settings.ratio) of model.width \(settings.width) leaves \(path) without a channel; "
                    + "expected more of one of them")
        }
        let kept = try keptFilters(path, of: shape.outputs, role)
        let outputs = kept?.count ?? shape.outputs
        func convolution(_ path: String, _ initializer: Initializer, _ owner: ExpertOwner?) -> Convolution {
            if let multiplyAdds = shape.multiplyAdds(outputs: outputs) { count(path, multiplyAdds, owner: owner) }
            return Convolution(
                path, inputs: shape.presentInputs, outputs: outputs, kernel: shape.kernel, stride: shape.stride,
                parameters, initializer, owner: owner)
        }
        let initialization = settings.initialization
        let taps = shape.kernel * shape.kernel
        var operation: NormalizedConvolution.Operation?
        if let mixture = settings.mixture, isCandidate(role, mixture) {
            candidates.append(path)
            if mixture.placement.covers(path), mixture.kind == .channel {
                operation = try slabs(path, shape, mixture)
            } else if mixture.placement.covers(path) {
                mixtureLayers.append(path)
                let router = try router(path, inputs: shape.inputs, map: shape.map, mixture.router)
                let initializer = initialization.convolution(
                    inputs: shape.inputs, outputs: outputs, taps: taps, isOfExpert: true)
                let experts = (0..<mixture.router.experts).map { expert in
                    convolution(
                        "\(path).experts.\(expert)", initializer, ExpertOwner(layer: path, expert: expert))
                }
                operation = .experts(ExpertConvolution(router: router, experts: experts))
            }
        }
        func initializer() -> Initializer {
            let inputs = shape.presentInputs
            return role == .stem
                ? initialization.stem(inputs: inputs, outputs: outputs, taps: taps, settings.stem)
                : initialization.convolution(inputs: inputs, outputs: outputs, taps: taps, isOfExpert: owner != nil)
        }
        let chosen = operation ?? .plain(ConvolutionBank(convolution(path, initializer(), owner)))
        if operation == nil, case .plain(let plain) = chosen {
            let weight = plain.slabs[0].weight
            select(
                weight, wholeShape: [shape.outputs, shape.inputs, shape.kernel, shape.kernel], outputs: kept,
                inputs: shape.keptInputs, wholeInputs: shape.inputs)
            if role == .body, settings.mixture == nil {
                prunable.append(
                    PrunableConvolution(path: path, weight: weight, filters: shape.outputs, kept: kept))
            }
        }
        return NormalizedConvolution(
            path: path, operation: chosen,
            norm: norm.map { batchNorm($0, channels: shape.outputs, kept: kept, owner: owner) })
    }

    /// The filters that a convolution keeps; nil means all.
    private func keptFilters(_ path: String, of filters: Int, _ role: Role) throws -> [Int]? {
        guard let kept = settings.keptFilters[path] else { return nil }
        guard role == .body, settings.mixture == nil else {
            throw NetworkError.invalid(
                "\(path) is pruned; expected only convolutions of blocks and stages, in networks without experts")
        }
        let isRising = zip(kept, kept.dropFirst()).allSatisfy { $0 < $1 }
        guard isRising, let first = kept.first, let last = kept.last, first >= 0, last < filters else {
            throw NetworkError.invalid(
                "\(path) is to keep filters \(kept); expected at least one, rising, below its \(filters)")
        }
        return kept.count == filters ? nil : kept
    }

    /// Whether a mixture may stand in place of a convolution.
    ///
    /// Channel experts take no stem and no transition, and shortcuts only in wide ResNets and under the ImageNet stem
    /// (advmoe, "MoE nets").
    private func isCandidate(_ role: Role, _ mixture: MixtureSettings) -> Bool {
        switch (mixture.kind, role) {
        case (.block, _), (.channel, .stem), (.channel, .transition): return false
        case (.conv, .shortcut): return mixture.includesDownsample
        case (.channel, .shortcut):
            if case .wideResNet = settings.architecture { return true }
            return settings.stem == .imagenet
        case (.conv, _), (.channel, .body): return true
        }
    }

    /// Slabs of channels, drawn as one convolution that has the channels of all.
    private func slabs(
        _ path: String, _ shape: Shape, _ mixture: MixtureSettings
    ) throws -> NormalizedConvolution.Operation {
        let experts = mixture.router.experts
        let layout = slabLayout(path, shape, mixture)
        let channels = layout.shape[0]
        let weight = parameters.register(
            "\(path).weight", layout,
            settings.initialization.convolution(
                inputs: shape.inputs, outputs: channels, taps: shape.kernel * shape.kernel, isOfExpert: false))
        let slabs = (0..<experts).map { expert in
            if let multiplyAdds = shape.multiplyAdds(outputs: shape.outputs) {
                count(path, multiplyAdds, owner: ExpertOwner(layer: path, expert: expert))
            }
            return Convolution(
                path, inputs: shape.inputs, outputs: shape.outputs, kernel: shape.kernel, stride: shape.stride,
                weight: weight.slab(expert))
        }
        let isOfLayer = mixture.scope == .layer
        channelExpertLayers.append(
            ChannelExpertLayer(
                path: path, router: isOfLayer ? path : Self.imageRouterPath, channels: shape.outputs,
                starts: layout.slabStarts, wholeChannels: channels))
        guard isOfLayer else { return .plain(ConvolutionBank(slabs: slabs)) }
        mixtureLayers.append(path)
        let router = try router(path, inputs: shape.inputs, map: shape.map, mixture.router)
        return .experts(ExpertConvolution(router: router, experts: slabs))
    }

    /// Where the experts' filters lie in memory.
    ///
    /// Windows that cover the dense layer's channels without sharing any are slabs.
    private func slabLayout(_ path: String, _ shape: Shape, _ mixture: MixtureSettings) -> SlotLayout {
        let experts = mixture.router.experts
        guard mixture.slabs == .overlapping, let channels = denseChannels["\(path).weight"],
            channels != experts * shape.outputs
        else { return .slabs(count: experts, kernel: shape.kernel, inputs: shape.inputs, outputs: shape.outputs) }
        return .windows(
            starts: SlabArrangement.starts(count: experts, width: shape.outputs, channels: channels),
            kernel: shape.kernel, inputs: shape.inputs, outputs: shape.outputs, channels: channels)
    }
}
