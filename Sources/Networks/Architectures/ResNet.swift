/// Residual networks (He et al., arXiv:1512.03385), with torchvision's names, order and initialisation: convolutions
/// He-normal over their fan-out, the linear layer as PyTorch does by itself.
extension NetworkBuilder {
    func resNet(_ block: NetworkSettings.Block) throws -> Classifier {
        // A small stem keeps its width where channel experts follow, as in the reference.
        let keepsStem = settings.mixture?.kind == .channel && settings.stem == .cifar
        try appendStem(
            "conv1", norm: "bn1", outputs: keepsStem ? settings.width : settings.scaled(settings.width))
        for (stage, count) in settings.blocks.enumerated() {
            let channels = settings.scaled(settings.width << stage)
            for index in 0..<count {
                let stride = stage > 0 && index == 0 ? 2 : 1
                let (inputs, input) = (self.channels, map)
                try appendBlock(
                    "layer\(stage + 1).\(index)", channels: channels * block.expansion,
                    map: map?.after(kernel: 3, stride: stride, padding: 1)
                ) { path, owner in
                    try residualBlock(
                        path, block, inputs: inputs, channels: channels, stride: stride, map: input, owner: owner)
                }
            }
        }
        return linearClassifier("fc")
    }

    /// One block.
    /// - Parameters:
    ///   - channels: The stage's channels; the block puts out ``NetworkSettings/Block/expansion`` times as many.
    ///   - map: The size of its input, if known.
    func residualBlock(
        _ path: String, _ block: NetworkSettings.Block, inputs: Int, channels: Int, stride: Int, map: MapSize? = nil,
        owner: ExpertOwner? = nil
    ) throws -> ResidualBlock {
        let outputs = channels * block.expansion
        let shapes: [(outputs: Int, kernel: Int, stride: Int)]
        switch block {
        case .basic: shapes = [(outputs, 3, stride), (outputs, 3, 1)]
        case .bottleneck(let widening):
            let inner = channels * widening
            shapes = [(inner, 1, 1), (inner, 3, stride), (outputs, 1, 1)]
        }
        var units: [NormalizedConvolution] = []
        var shape = Shape(inputs: inputs, outputs: outputs, kernel: 1, map: map)
        for (index, next) in shapes.enumerated() {
            (shape.outputs, shape.kernel, shape.stride) = next
            units.append(try unit("\(path).conv\(index + 1)", norm: "\(path).bn\(index + 1)", shape, owner: owner))
            shape.map = shape.outputMap
            shape.inputs = shape.outputs
            shape.keptInputs = settings.keptFilters["\(path).conv\(index + 1)"]
        }
        units[units.count - 1].places = shape.keptInputs
        var downsample: NormalizedConvolution?
        if stride != 1 || inputs != outputs {
            downsample = try unit(
                "\(path).downsample.0", norm: "\(path).downsample.1",
                Shape(inputs: inputs, outputs: outputs, kernel: 1, stride: stride, map: map), .shortcut, owner: owner)
        }
        return ResidualBlock(units: units, downsample: downsample)
    }
}
