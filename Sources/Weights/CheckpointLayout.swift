import Networks

/// What the tensors of a file of weights are called.
package enum CheckpointLayout: String, CaseIterable, Sendable {
    /// The program's own names: torchvision's, `experts.<e>` and `router` in mixtures, `normalize.mean` and `.std`.
    case robustmoe
    /// torchvision's names of its ResNets, which know no mixtures.
    case torchvision
    /// The state dict of the public repository of "Robust Experts": of the bare model, or of its Lightning module.
    case robustSparseMoEs = "robust-sparse-moes"
    /// The state dict of the public AdvMoE code: ResNets, wide ResNets, VGGs and DenseNets, dense or with channel experts,
    /// whose one router stands there once for the network and once more for every layer that it decides for.
    case robustMoECNN = "robust-moe-cnn"
    /// The state dicts of RobustBench's model classes for small images: ResNets, pre-activation ResNets with a batch norm
    /// behind the last block, and wide ResNets, with what images are normalized by where the class says it.
    case robustBench = "robustbench"
}

extension CheckpointLayout {
    /// One part of a router: its own name and that in a layout, both behind the path of the mixture layer.
    package struct RouterPart {
        let own: String
        let foreign: String

        init(_ own: String, _ foreign: String) {
            self.own = own
            self.foreign = foreign
        }
    }

    /// What may stand before every name; the first is what is written.
    package var prefixes: [String] {
        switch self {
        case .robustmoe, .torchvision, .robustMoECNN, .robustBench: [""]
        case .robustSparseMoEs: ["model.", "model.model."]
        }
    }

    /// The parts of each kind of router that are called otherwise here, a list a kind; all else has the program's names.
    private var routers: [[RouterPart]] {
        switch self {
        case .robustmoe, .torchvision, .robustMoECNN, .robustBench: []
        case .robustSparseMoEs:
            [
                // gap-linear, conv-gap, fixed-projection, double-conv-gap; the numbers count a Sequential's modules.
                [
                    RouterPart("router.weight", "gate.network.2.weight"),
                    RouterPart("router.bias", "gate.network.2.bias"),
                ],
                [RouterPart("router.weight", "gate.network.0.weight")],
                [RouterPart("router.projection", "gate.network.support_vectors")],
                [RouterPart("router.conv1.weight", "gate.network.0.weight")]
                    + ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"].map {
                        RouterPart("router.bn1.\($0)", "gate.network.1.\($0)")
                    }
                    + [RouterPart("router.conv2.weight", "gate.network.2.weight")],
            ]
        }
    }

    /// Why the weights of a network cannot be called by this layout's names, or nil.
    package func refusal(_ signature: ModelSignature) -> String? {
        if self == .torchvision || self == .robustSparseMoEs {
            guard case .resNet = signature.architecture.layers else {
                return "layout \(rawValue) has ResNets alone, found \(signature.architecture.rawValue)"
            }
        }
        if self == .robustBench, let refusal = RobustBenchNames.refusal(signature) { return refusal }
        guard let mixture = signature.mixture else { return nil }
        let known: [ExpertKind] =
            switch self {
            case .robustmoe: [.conv, .block, .channel]
            case .torchvision, .robustBench: []
            case .robustSparseMoEs: [.conv, .block]
            case .robustMoECNN: [.channel]
            }
        let found =
            "found \(mixture.experts) \(mixture.kind.rawValue) experts in \(mixture.layers.joined(separator: ", "))"
        if known.isEmpty { return "layout \(rawValue) has no mixtures of experts, \(found)" }
        if !known.contains(mixture.kind) {
            return "layout \(rawValue) has no \(mixture.kind.rawValue) experts, \(found)"
        }
        if self == .robustMoECNN, mixture.scope == .layer {
            return "layout \(rawValue) has one router on the image, found one a layer: \(found)"
        }
        if self == .robustSparseMoEs, mixture.router == .resnet20 {
            return "layout \(rawValue) has no router resnet20, \(found)"
        }
        return nil
    }

    /// Whether the input's normalisation is stored beside the weights.
    package var holdsNormalization: Bool { self == .robustmoe }
    /// Whether a network with one router may be without it, and whether every layer that it decides for repeats it.
    package var repeatsRouter: Bool { self == .robustMoECNN }

    /// Whether a file may say what images are normalized by, whatever data set the network is judged on.
    package var tellsNormalization: Bool { self == .robustBench }

    /// The shape of that, of so many channels.
    package func normalizationShape(_ channels: Int) -> [Int] {
        self == .robustBench ? [1, channels, 1, 1] : [channels]
    }

    /// Whether a tensor of this name takes no part in the network, though its class has it.
    package func ignores(_ name: String) -> Bool { self == .robustBench && name.hasPrefix(RobustBenchNames.unused) }

    /// The name of the tensor that a tensor of this name repeats: the network's router below a layer.
    package func original(ofRepetition name: String) -> String? {
        guard repeatsRouter, let range = name.firstRange(of: ".router.") else { return nil }
        return String(name[name.index(after: range.lowerBound)...])
    }

    /// What a router's tensor is called below a layer.
    package static func repetition(_ name: String, under layer: String) -> String { "\(layer).\(name)" }

    /// The names here of tensors with the program's own names, without a prefix.
    package func foreignNames(_ own: some Sequence<String>, stem: NetworkSettings.Stem) -> [String: String] {
        if self == .robustMoECNN {
            // Of networks for small images, ResNets have names of their own.
            let isOther = own.contains { $0.hasPrefix("block1.") }
            return Dictionary(own.map { ($0, stem == .cifar && !isOther ? Self.smallName($0) : $0) }) { first, _ in
                first
            }
        }
        if self == .robustBench { return RobustBenchNames.foreign(own) }
        return renamed(own, from: \.own, to: \.foreign)
    }

    /// The program's own names of tensors here, whose prefix is taken off.
    package func ownNames(_ foreign: some Sequence<String>) -> [String: String] {
        if self == .robustMoECNN {
            return Dictionary(foreign.map { ($0, Self.ownName(ofSmall: $0)) }) { first, _ in first }
        }
        if self == .robustBench { return RobustBenchNames.own(foreign) }
        return renamed(foreign, from: \.foreign, to: \.own)
    }

    /// The public AdvMoE code's names in networks for small images.
    private static func smallName(_ own: String) -> String {
        own.hasPrefix("fc.") ? "linear" + own.dropFirst(2) : own.replacing(".downsample.", with: ".shortcut.")
    }

    private static func ownName(ofSmall name: String) -> String {
        name.hasPrefix("linear.") ? "fc" + name.dropFirst(6) : name.replacing(".shortcut.", with: ".downsample.")
    }

    /// Renames the routers' parts; a layer's kind is the smallest one that has all the names which are there.
    private func renamed(
        _ names: some Sequence<String>, from: KeyPath<RouterPart, String>, to: KeyPath<RouterPart, String>
    ) -> [String: String] {
        let heads = Set(routers.joined().map { $0[keyPath: from].prefix { $0 != "." } })
        var result: [String: String] = [:]
        var parts: [String: [String]] = [:]
        for name in names {
            result[name] = name
            let components = name.split(separator: ".", omittingEmptySubsequences: false)
            guard let head = components.lastIndex(where: heads.contains) else { continue }
            parts[components[..<head].joined(separator: "."), default: []].append(
                components[head...].joined(separator: "."))
        }
        for (path, own) in parts {
            let kind = routers.filter { kind in own.allSatisfy { name in kind.contains { $0[keyPath: from] == name } } }
                .min { $0.count < $1.count }
            for part in kind ?? [] where own.contains(part[keyPath: from]) {
                result["\(path).\(part[keyPath: from])"] = "\(path).\(part[keyPath: to])"
            }
        }
        return result
    }
}
