/// DenseNet-BC (Huang et al., arXiv:1608.06993), with torchvision's names: `features.conv0`,
/// `features.denseblock1.denselayer1.{norm1,conv1,norm2,conv2}`, `features.transition1.{norm,conv}`,
/// `features.norm_final`, `classifier`.
///
/// Layers have bottlenecks of four times their new channels; transitions halve the channels. The stem of 3×3 has no
/// batch norm, that of ImageNet has `features.norm0`. Convolutions are drawn He-normal over their fan-out, the
/// classifier's bias is 0, as in the memory-efficient code of the authors.
extension NetworkBuilder {
    private static var bottleneck: Int { 4 }

    func denseNet() throws -> Classifier {
        guard settings.width % 2 == 0 else {
            throw NetworkError.invalid(
                "model.width is \(settings.width), expected an even number: each layer of a DenseNet adds half of it")
        }
        let growth = settings.scaled(settings.width / 2)
        try appendStem(
            "features.conv0", norm: settings.stem == .imagenet ? "features.norm0" : nil,
            outputs: settings.scaled(settings.width))
        for (stage, count) in settings.blocks.enumerated() {
            if stage > 0 { try appendTransition("features.transition\(stage)") }
            for index in 0..<count {
                let path = "features.denseblock\(stage + 1).denselayer\(index + 1)"
                try append(channels: channels + growth, kept: joinedChannels(path, growth: growth), map: map) {
                    try denseLayer(path, inputs: channels, kept: keptChannels, growth: growth, map: map)
                }
            }
        }
        appendActivation("features.norm_final")
        return linearClassifier("classifier", bias: .constant(0))
    }

    /// The channels that are left behind a dense layer; nil means all.
    private func joinedChannels(_ path: String, growth: Int) -> [Int]? {
        let new = settings.keptFilters["\(path).conv2"]
        if keptChannels == nil, new == nil { return nil }
        return (keptChannels ?? Array(0..<channels)) + (new ?? Array(0..<growth)).map { channels + $0 }
    }

    /// One dense layer.
    /// - Parameters:
    ///   - kept: Inputs that are left; nil means all.
    ///   - growth: Its new channels.
    func denseLayer(
        _ path: String, inputs: Int, kept: [Int]? = nil, growth: Int, map: MapSize? = nil
    ) throws -> DenseLayer {
        let inner = Self.bottleneck * growth
        let first = Shape(inputs: inputs, keptInputs: kept, outputs: inner, kernel: 1, map: map)
        let second = Shape(
            inputs: inner, keptInputs: settings.keptFilters["\(path).conv1"], outputs: growth, kernel: 3, map: map)
        return DenseLayer(
            activation: activation("\(path).norm1", channels: inputs, kept: kept),
            bottleneck: try unit("\(path).conv1", norm: "\(path).norm2", first),
            growth: try unit("\(path).conv2", norm: nil, second))
    }

    private func appendTransition(_ path: String) throws {
        appendActivation("\(path).norm")
        let shape = Shape(
            inputs: channels, keptInputs: keptChannels, outputs: channels / 2, kernel: 1, map: map)
        try append(channels: shape.outputs, map: map) {
            ConvolutionElement(unit: try unit("\(path).conv", norm: nil, shape, .transition), isRectified: false)
        }
        try appendPooling(.mean(.halving), "\(path).pool")
    }
}
