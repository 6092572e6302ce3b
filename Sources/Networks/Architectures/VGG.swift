/// VGG networks with batch norm (arXiv:1409.1556), with torchvision's numbers of layers: `features.0` is a convolution,
/// `features.1` its batch norm, `features.2` its ReLU, and so on; `classifier.0`, `.2` and `.4` are linear.
///
/// As robustness codes have it for small images: convolutions without bias, no pooling behind the last stage, average
/// pooling to 2×2, two hidden layers of 256, no dropout. Initialised as in torchvision: convolutions He-normal over their
/// fan-out, linear layers N(0, 0.01²), biases 0.
extension NetworkBuilder {
    private static var hidden: Int { 256 }
    private static var pooledSide: Int { 2 }
    /// Stages double the channels up to so many times.
    private static var largestDoubling: Int { 3 }

    func vgg() throws -> Classifier {
        guard settings.stem == .cifar else {
            throw NetworkError.invalid("model.stem is imagenet, a VGG has none; expected cifar")
        }
        var number = 0
        for (stage, count) in settings.blocks.enumerated() {
            if stage > 0 {
                try appendPooling(.largest(.halving), "features.\(number)")
                number += 1
            }
            let outputs = settings.scaled(settings.width << min(stage, Self.largestDoubling))
            for _ in 0..<count {
                let shape = Shape(inputs: channels, keptInputs: keptChannels, outputs: outputs, kernel: 3, map: map)
                let kept = settings.keptFilters["features.\(number)"]
                try append(channels: outputs, kept: kept, map: shape.outputMap) {
                    let unit = try unit(
                        "features.\(number)", norm: "features.\(number + 1)", shape, number == 0 ? .stem : .body)
                    return ConvolutionElement(unit: unit, isRectified: true)
                }
                number += 3
            }
        }
        return classifier(
            side: Self.pooledSide,
            [("classifier.0", Self.hidden), ("classifier.2", Self.hidden), ("classifier.4", settings.classes)],
            weight: .normal(deviation: 0.01), bias: .constant(0))
    }
}
