import Files
import Networks

/// The network that a file of weights belongs to, as far as names and shapes tell.
///
/// They do not tell how many experts an image goes to, nor how scores become weights; and a router without tensors may
/// be `first-channels`, which is assumed, or `random`.
package struct ModelSignature: Equatable {
    package struct Mixture: Equatable {
        package var kind: ExpertKind
        /// The paths of the mixture layers, sorted.
        package var layers: [String]
        package var experts: Int
        package var router: RouterName
        package var routerKernel: Int?
        package var scope = RouterScope.layer
    }

    package let architecture: ArchitectureName
    package let stem: NetworkSettings.Stem
    /// Channels of the first stage, and the factor of all widths.
    package let width: Int
    package let ratio: Double
    package let channels: Int
    package let classes: Int
    package var mixture: Mixture?
    /// Whether the network was trained without the first batch norm and ReLU of blocks that change the channels.
    package var skipsFirstActivation = false

    package init(
        architecture: ArchitectureName, stem: NetworkSettings.Stem, width: Int, ratio: Double,
        channels: Int, classes: Int, mixture: Mixture?
    ) {
        self.architecture = architecture
        self.stem = stem
        self.width = width
        self.ratio = ratio
        self.channels = channels
        self.classes = classes
        self.mixture = mixture
    }

    /// Reads the signature off tensors with the program's own names.
    /// - Throws: ``Files/RunError/checkpoint(_:)`` if they are no network's that this program knows, or of a size that none has.
    package init(_ shapes: [String: [Int]], path: String) throws {
        try Self.checkExtents(shapes, path)
        do {
            self = try ReleasedFamily(shapes).map { try $0.signature(shapes, path) } ?? Self.resNet(shapes, path)
        } catch let error as NetworkError {
            throw RunError.checkpoint("\(path): \(error)")
        }
        try checkSizes(path)
    }

    private static func resNet(_ shapes: [String: [Int]], _ path: String) throws -> ModelSignature {
        func refusal(_ text: String) -> RunError { .checkpoint("\(path): \(text)") }
        func extent(_ place: Int, of names: String...) throws -> Int {
            for name in names {
                if let shape = shapes[name], shape.indices.contains(place) { return shape[place] }
            }
            throw refusal(
                "expected the weights of a ResNet, found \(shapes.count) tensors, "
                    + "none of them \(names.joined(separator: " or "))")
        }
        let stems = ["conv1.weight", "conv1.experts.0.weight"]
        // A shortcut of a pre-activation block has no batch norm, and bn1 is not the stem's there.
        let isPreactivation =
            shapes["layer2.0.downsample.0.weight"] != nil && shapes["layer2.0.downsample.1.weight"] == nil
        let behindStem = try isPreactivation ? extent(0, of: stems[0]) : extent(0, of: "bn1.weight", stems[0], stems[1])
        let channels = try extent(1, of: stems[0], stems[1])
        let stem: NetworkSettings.Stem = try extent(2, of: stems[0], stems[1]) == 7 ? .imagenet : .cifar
        let classes = try extent(0, of: "fc.weight", "fc.bias")
        let names = shapes.keys.map { $0.split(separator: ".", omittingEmptySubsequences: false).map(String.init) }
        let blocks = try blocksOfStages(names, path)
        let isBottleneck = names.contains { $0.contains("bn3") }
        func widest(_ stage: Int, _ norm: String) -> Int {
            shapes.filter { $0.key.hasPrefix("layer\(stage).") && $0.key.hasSuffix(".\(norm).weight") }
                .compactMap { $0.value.first }.max() ?? 0
        }
        let inner = widest(1, "bn2")
        let stages = blocks.indices.map {
            isBottleneck ? widest($0 + 1, "bn3") / 4 : widest($0 + 1, "bn2")
        }
        let known = ArchitectureName.allCases.first { architecture in
            guard architecture.blocks == blocks else { return false }
            if isPreactivation { return architecture.layers == .preactivationResNet }
            guard case .resNet(let block) = architecture.layers else { return false }
            guard case .bottleneck(let widening) = block else { return !isBottleneck }
            return isBottleneck && inner == widening * stages[0]
        }
        guard let known else {
            let kind = isBottleneck ? "bottleneck blocks, \(inner) channels inside the first" : "basic blocks"
            throw refusal(
                "found stages of \(blocks) \(kind), stem \(behindStem) channels; expected one of "
                    + architectures.map(\.rawValue).joined(separator: ", "))
        }
        // Pre-activation blocks have their batch norms in front of convolutions, whose filters are no slabs then.
        let hasSlabsAlone = !names.contains { $0.contains("experts") || $0.contains("router") }
        let mixture = try isPreactivation && hasSlabsAlone ? nil : mixture(names, shapes, path)
        let keepsStem = mixture?.kind == .channel && stem == .cifar
        var parts = stages.indices.map { WidthPart(found: stages[$0], factor: 1 << $0) }
        if !keepsStem { parts.append(WidthPart(found: behindStem)) }
        guard let scaling = scaling(parts, width: keepsStem ? behindStem : 64, mayBeOwn: !keepsStem) else {
            throw refusal(
                "found stages of \(stages) channels behind a stem of \(behindStem); expected such as each doubles, or "
                    + "the integer parts of a ratio times those of a network that is "
                    + (keepsStem ? "\(behindStem)" : "64") + " channels wide")
        }
        return ModelSignature(
            architecture: known, stem: stem, width: scaling.width, ratio: scaling.ratio, channels: channels,
            classes: classes,
            mixture: mixture)
    }

    /// Those with torchvision's names, which all layouts share.
    private static var architectures: [ArchitectureName] {
        ArchitectureName.allCases.filter { architecture in
            if case .resNet = architecture.layers { true } else { false }
        }
    }

    /// Blocks of stages 1, 2, …, as the highest numbers tell.
    private static func blocksOfStages(_ names: [[String]], _ path: String) throws -> [Int] {
        var blocks: [Int: Int] = [:]
        for name in names where name.count > 2 && name[0].hasPrefix("layer") {
            guard let stage = Int(name[0].dropFirst(5)), let block = Int(name[1]) else { continue }
            try checkIndex(block, of: name, among: names, path)
            blocks[stage] = max(blocks[stage] ?? 0, block + 1)
            if blocks.count > mostStages {
                throw RunError.checkpoint("\(path): found more than \(mostStages) stages, expected those of a ResNet")
            }
        }
        return blocks.keys.sorted().compactMap { blocks[$0] }
    }

    package static func mixture(
        _ names: [[String]], _ shapes: [String: [Int]], _ path: String
    ) throws -> Mixture? {
        var kinds: [String: ExpertKind] = [:]
        var experts = 0
        for name in names {
            guard let place = name.firstIndex(of: "experts"), place + 2 < name.count,
                let expert = Int(name[place + 1])
            else { continue }
            try checkIndex(expert, of: name, among: names, path)
            kinds[name[..<place].joined(separator: ".")] = name[(place + 2)...] == ["weight"] ? .conv : .block
            experts = max(experts, expert + 1)
        }
        guard let kind = kinds.values.first, let first = kinds.keys.min() else { return channelMixture(shapes) }
        guard kinds.values.allSatisfy({ $0 == kind }) else {
            throw RunError.checkpoint(
                "\(path): found experts that are convolutions and experts that are blocks; expected one kind")
        }
        let (router, kernel) = router(ofLayer: first, shapes)
        return Mixture(
            kind: kind, layers: kinds.keys.sorted(), experts: experts, router: router, routerKernel: kernel)
    }

    /// The kind of a layer's router, and the side of its filters if it has any.
    package static func router(
        ofLayer path: String, _ shapes: [String: [Int]]
    ) -> (RouterName, kernel: Int?) {
        if let shape = shapes["\(path).router.conv1.weight"] { return (.doubleConvGap, shape.last) }
        if let shape = shapes["\(path).router.weight"] {
            if shape.count == 4 { return (.convGap, shape[3]) }
            return (shapes["router.conv1.weight"] == nil ? .gapLinear : .resnet20, nil)
        }
        return (shapes["\(path).router.projection"] == nil ? .firstChannels : .fixedProjection, nil)
    }

    /// What the network is built from: it normalizes nothing, and routes by the usual gate.
    package var networkSettings: NetworkSettings {
        let side = stem == .imagenet ? 224 : 32
        return NetworkSettings(
            architecture.layers, blocks: architecture.blocks, stem: stem, width: width, ratio: ratio,
            channels: channels, imageSize: MapSize(height: side, width: side), classes: classes,
            mean: [Float](repeating: 0, count: channels), deviation: [Float](repeating: 1, count: channels),
            mixture: mixture?.settings, skipsFirstActivation: skipsFirstActivation)
    }
}

extension ModelSignature.Mixture {
    /// What the mixture is built from.
    fileprivate var settings: MixtureSettings {
        let isOnImage = kind == .channel && scope == .image
        let gate = Gate(topK: 1, isStraightThrough: true, renormalizes: true, bypassesSoftmax: isOnImage)
        return MixtureSettings(
            kind: kind, placement: Placement(layers), includesDownsample: true,
            router: RouterSettings(
                kind: router.kind(kernel: routerKernel ?? Self.usualKernel), experts: experts, gate: gate,
                balance: .none, balanceWeight: 0),
            scope: scope)
    }

    private static var usualKernel: Int { 3 }
}
