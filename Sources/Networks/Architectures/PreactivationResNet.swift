/// Residual networks of pre-activation blocks, in two traditions that differ in widths and names.
///
/// Convolutions are drawn He-normal over their fan-out, as in the code of the wide ResNets' authors.
extension NetworkBuilder {
    /// He et al., arXiv:1603.05027, with torchvision's names: `conv1`, `layer1.0.{bn1,conv1,bn2,conv2,downsample.0}`,
    /// `bn1` behind the last block, `fc` as PyTorch draws it.
    ///
    /// The shortcut of a block that changes shape is a 1×1 convolution of the activated input, without batch norm. Some
    /// codes leave out the last batch norm and ReLU, which the paper asks for. The ImageNet stem has a batch norm `bn0`.
    func preactivationResNet() throws -> Classifier {
        try appendStem(
            "conv1", norm: settings.stem == .imagenet ? "bn0" : nil, outputs: settings.scaled(settings.width))
        for (stage, count) in settings.blocks.enumerated() {
            for index in 0..<count {
                try appendPreactivationBlock(
                    "layer\(stage + 1).\(index)", shortcut: "downsample.0",
                    outputs: settings.scaled(settings.width << stage), stride: stage > 0 && index == 0 ? 2 : 1)
            }
        }
        appendActivation("bn1")
        return linearClassifier("fc")
    }

    /// Zagoruyko and Komodakis, arXiv:1605.07146: `conv1` to the width over the widening, three stages
    /// `block1.layer.0.{bn1,conv1,bn2,conv2,convShortcut}`, `bn1` behind the last block, `fc` with a bias of 0.
    ///
    /// The ImageNet stem has a batch norm `bn0`. No dropout.
    func wideResNet(_ widening: Int) throws -> Classifier {
        guard widening > 0, settings.width % widening == 0 else {
            throw NetworkError.invalid(
                "model.width is \(settings.width), expected a multiple of \(widening), by which this architecture is "
                    + "wider than its stem")
        }
        try appendStem(
            "conv1", norm: settings.stem == .imagenet ? "bn0" : nil,
            outputs: settings.scaled(settings.width / widening))
        for (stage, count) in settings.blocks.enumerated() {
            for index in 0..<count {
                try appendPreactivationBlock(
                    "block\(stage + 1).layer.\(index)", shortcut: "convShortcut",
                    outputs: settings.scaled(settings.width << stage), stride: stage > 0 && index == 0 ? 2 : 1)
            }
        }
        appendActivation("bn1")
        return linearClassifier("fc", bias: .constant(0))
    }

    private func appendPreactivationBlock(_ path: String, shortcut: String, outputs: Int, stride: Int) throws {
        let (inputs, input) = (channels, map)
        try appendBlock(
            path, channels: outputs, map: map?.after(kernel: 3, stride: stride, padding: 1)
        ) { path, owner in
            try preactivationBlock(
                path, shortcut: shortcut, inputs: inputs, outputs: outputs, stride: stride, map: input, owner: owner)
        }
    }

    /// One block.
    /// - Parameters:
    ///   - shortcut: The name of the shortcut's convolution within the block.
    ///   - map: The size of its input, if known.
    func preactivationBlock(
        _ path: String, shortcut: String, inputs: Int, outputs: Int, stride: Int, map: MapSize? = nil,
        owner: ExpertOwner? = nil
    ) throws -> PreactivationBlock {
        let changes = stride != 1 || inputs != outputs
        let skips = changes && settings.skipsFirstActivation
        let activation = activation("\(path).bn1", channels: inputs, owner: owner, isTrained: !skips)
        let first = Shape(inputs: inputs, outputs: outputs, kernel: 3, stride: stride, map: map)
        let inner = try unit("\(path).conv1", norm: "\(path).bn2", first, owner: owner)
        let second = Shape(
            inputs: outputs, keptInputs: settings.keptFilters["\(path).conv1"], outputs: outputs, kernel: 3,
            map: first.outputMap)
        var outer = try unit("\(path).conv2", norm: nil, second, owner: owner)
        outer.places = settings.keptFilters["\(path).conv2"]
        var convolution: NormalizedConvolution?
        if changes {
            convolution = try unit(
                "\(path).\(shortcut)", norm: nil,
                Shape(inputs: inputs, outputs: outputs, kernel: 1, stride: stride, map: map), .shortcut, owner: owner)
        }
        return PreactivationBlock(
            activation: activation, inner: inner, outer: outer, shortcut: convolution, skipsActivation: skips)
    }
}
