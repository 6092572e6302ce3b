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
                try append(channels: channels + growth, map: map) {
                    try denseLayer(
                        "features.denseblock\(stage + 1).denselayer\(index + 1)", inputs: channels, growth: growth,
                        map: map)
                }
            }
        }
        appendActivation("features.norm_final")
        return linearClassifier("classifier", bias: .constant(0))
    }

    /// One dense layer.
    /// - Parameter growth: Its new channels.
    func denseLayer(_ path: String, inputs: Int, growth: Int, map: MapSize? = nil) throws -> DenseLayer {
        let inner = Self.bottleneck * growth
        return DenseLayer(
            activation: activation("\(path).norm1", channels: inputs),
            bottleneck: try unit(
                "\(path).conv1", norm: "\(path).norm2", Shape(inputs: inputs, outputs: inner, kernel: 1, map: map)),
            growth: try unit("\(path).conv2", norm: nil, Shape(inputs: inner, outputs: growth, kernel: 3, map: map)))
    }

    private func appendTransition(_ path: String) throws {
        appendActivation("\(path).norm")
        let shape = Shape(inputs: channels, outputs: channels / 2, kernel: 1, map: map)
        try append(channels: shape.outputs, map: map) {
            ConvolutionElement(unit: try unit("\(path).conv", norm: nil, shape, .transition), isRectified: false)
        }
        try appendPooling(.mean(.halving), "\(path).pool")
    }
}
