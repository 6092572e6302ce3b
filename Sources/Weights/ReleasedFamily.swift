import Files
import Networks

/// Networks other than ResNets that the public AdvMoE code has, as the names of tensors tell them: its own names are this
/// program's.
package enum ReleasedFamily {
    case wideResNet
    case vgg
    case denseNet

    package init?(_ shapes: [String: [Int]]) {
        if shapes["block1.layer.0.bn1.weight"] != nil {
            self = .wideResNet
        } else if shapes["features.0.weight"] != nil {
            self = .vgg
        } else if shapes["features.conv0.weight"] != nil {
            self = .denseNet
        } else {
            return nil
        }
    }

    private var stem: String {
        switch self {
        case .wideResNet: "conv1.weight"
        case .vgg: "features.0.weight"
        case .denseNet: "features.conv0.weight"
        }
    }

    private var classifier: String {
        switch self {
        case .wideResNet: "fc.bias"
        case .vgg: "classifier.4.bias"
        case .denseNet: "classifier.bias"
        }
    }

    private typealias Architecture = ArchitectureName

    /// Those of the family with as many blocks.
    private func architecture(_ shapes: [String: [Int]]) -> Architecture? {
        switch self {
        case .vgg: return .vgg16
        case .denseNet: return .densenet40
        case .wideResNet:
            let candidates: [Architecture] = [.wideResnet28, .wideResnet16]
            return candidates.first { architecture in
                architecture.blocks.enumerated().allSatisfy { stage, count in
                    let path = "block\(stage + 1).layer."
                    return shapes["\(path)\(count - 1).bn1.weight"] != nil
                        && shapes["\(path)\(count).bn1.weight"] == nil
                }
            }
        }
    }

    /// Channels at places that tell the widths of the whole network; batch norms, since these have no slabs.
    private func parts(_ architecture: Architecture) -> [(String, Int, Int)] {
        switch self {
        case .wideResNet:
            guard case .wideResNet(let widening) = architecture.layers else { return [] }
            return architecture.blocks.indices.map { ("block\($0 + 1).layer.0.bn2.weight", 1 << $0, 1) }
                + [("block1.layer.0.bn1.weight", 1, widening)]
        case .vgg:
            let firstNorms = [1, 8, 15, 25, 35]
            return firstNorms.enumerated().map { ("features.\($1).weight", 1 << min($0, 3), 1) }
        case .denseNet:
            // The growth, half as many, is told elsewhere.
            return [("features.denseblock1.denselayer1.norm1.weight", 1, 1)]
        }
    }
}

extension ReleasedFamily {
    /// Reads the signature of a network of the family.
    package func signature(_ shapes: [String: [Int]], _ path: String) throws -> ModelSignature {
        func extent(_ name: String, _ place: Int) throws -> Int {
            guard let shape = shapes[name], shape.indices.contains(place) else {
                throw RunError.checkpoint("\(path): expected a tensor \(name), found none of \(place + 1) dimensions")
            }
            return shape[place]
        }
        guard let architecture = architecture(shapes) else {
            throw RunError.checkpoint(
                "\(path): found a wide ResNet of other stages than 2 or 4 blocks each; expected wrn-16-4 or wrn-28-10")
        }
        var parts = try parts(architecture).map { name, factor, divisor in
            ModelSignature.WidthPart(found: try extent(name, 0), factor: factor, divisor: divisor)
        }
        if self == .denseNet {
            let inner = try extent("features.denseblock1.denselayer1.norm2.weight", 0)
            parts.append(ModelSignature.WidthPart(found: inner / 4, factor: 1, divisor: 2))
        }
        guard let (width, ratio) = ModelSignature.scaling(parts, width: architecture.width) else {
            let found = parts.map { "\($0.found)" }.joined(separator: ", ")
            throw RunError.checkpoint(
                "\(path): found \(architecture.rawValue) of \(found) channels, expected such as go together, or the integer "
                    + "parts of a ratio times those of a network that is \(architecture.width) channels wide")
        }
        var result = ModelSignature(
            architecture: architecture, stem: try extent(stem, 2) == 7 ? .imagenet : .cifar, width: width,
            ratio: ratio, channels: try extent(stem, 1), classes: try extent(classifier, 0), mixture: nil)
        let names = shapes.keys.map { $0.split(separator: ".", omittingEmptySubsequences: false).map(String.init) }
        result.mixture =
            names.contains { $0.contains("experts") }
            ? try ModelSignature.mixture(names, shapes, path)
            : try Self.channelMixture(shapes, beside: Network.slots(result.networkSettings))
        return result
    }

    /// The mixture of a network of channel experts: convolutions with several times the filters of the dense one.
    private static func channelMixture(_ shapes: [String: [Int]], beside dense: [Slot]) throws -> ModelSignature
        .Mixture?
    {
        var layers: [String: Int] = [:]
        for slot in dense {
            guard case .convolution(_, _, let filters) = slot.layout, let found = shapes[slot.name]?.first,
                found > filters
            else { continue }
            layers[String(slot.name.dropLast(".weight".count))] = found / filters
        }
        return ModelSignature.channelMixture(layers, shapes)
    }
}
