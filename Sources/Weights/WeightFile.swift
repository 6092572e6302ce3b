import Files
import Networks

/// A safetensors file of a network's weights, under the names of some layout.
package struct WeightFile: Sendable {
    package let path: String
    package let layout: CheckpointLayout
    /// What stands before every name.
    package let prefix: String
    private let kinds: [String: SafetensorsFile.Kind]
    /// The names of what repeats a tensor of `kinds`, and the names of those tensors.
    private let repetitions: [String: String]

    /// Reads the names and shapes; no values yet.
    /// - Throws: ``Files/RunError/checkpoint(_:)`` if no name is one of the layout.
    package init(_ path: String, layout: CheckpointLayout) throws {
        self.path = path
        self.layout = layout
        var kinds: [String: SafetensorsFile.Kind]
        do { kinds = try SafetensorsFile.kinds(path) } catch { throw CheckpointError(error) }
        var repetitions: [String: String] = [:]
        for name in kinds.keys {
            guard let original = layout.original(ofRepetition: name), kinds[original] != nil else { continue }
            repetitions[name] = original
        }
        for name in kinds.keys where repetitions[name] != nil || layout.ignores(name) { kinds[name] = nil }
        (self.kinds, self.repetitions) = (kinds, repetitions)
        let names = kinds.keys
        // The longer prefix contains the shorter one.
        let prefixes = layout.prefixes.sorted { $0.count > $1.count }
        guard let prefix = prefixes.first(where: { prefix in names.contains { $0.hasPrefix(prefix) } }) else {
            throw RunError.checkpoint(
                "\(path): expected names that begin with \(layout.prefixes.joined(separator: " or ")), as layout "
                    + "\(layout.rawValue) has them, found \(names.min()?.printableLine ?? "no tensor")")
        }
        self.prefix = prefix
    }

    /// The network that the file belongs to.
    package func signature() throws -> ModelSignature {
        let bare = kinds.keys.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
        let own = layout.ownNames(bare)
        var shapes: [String: [Int]] = [:]
        for (name, ownName) in own { shapes[ownName] = kinds[prefix + name]?.shape }
        var signature = try ModelSignature(shapes, path: path)
        // By mistake, the public code's wide ResNets do, but for the dense ones for small images.
        if layout == .robustMoECNN, case .wideResNet = signature.architecture.layers {
            signature.skipsFirstActivation = signature.mixture != nil || signature.stem == .imagenet
        }
        return signature
    }

    /// Whether the file says what images are normalised by: its layout does, or a layer of its own did.
    package var holdsNormalization: Bool {
        layout.holdsNormalization || ModelTensors.normalizationNames.contains { kinds[normalizationName($0)] != nil }
    }

    /// What the file calls a tensor of the normalization: by the layout's name if it is there, else by the program's own, which
    /// `launch/convert/pickle` gives it.
    private func normalizationName(_ own: String) -> String {
        let name = prefix + (layout.foreignNames([own], stem: stem)[own] ?? own)
        return kinds[name] == nil ? prefix + own : name
    }

    /// Whether the file says what images are normalized by, whatever data set the network is judged on.
    package var saysNormalization: Bool { layout.tellsNormalization && holdsNormalization }

    /// The mean and the deviation that the file says images are normalized by, whatever the data set; nil where it leaves
    /// that to others, or its layout has those of a data set.
    package func normalization() throws -> (mean: [Float], deviation: [Float])? {
        guard saysNormalization else { return nil }
        let signature = try signature()
        let tensors = try tensors(try Network.slots(signature.networkSettings), channels: signature.channels)
        let values = ModelTensors.normalizationNames.compactMap { name -> [Float]? in
            guard case .float(let values) = tensors[name]?.values else { return nil }
            return values
        }
        guard values[1].allSatisfy({ $0 > 0 }) else {
            throw RunError.checkpoint("\(path): found \(values[1]) as deviations of images, expected values above 0")
        }
        return (values[0], values[1])
    }

    /// Whether the file holds a router of the whole network.
    package var hasImageRouter: Bool { kinds.keys.contains { $0.hasPrefix("\(prefix)router.") } }

    private var stem: NetworkSettings.Stem {
        let filter = kinds["\(prefix)conv1.weight"] ?? kinds["\(prefix)conv1.experts.0.weight"]
        return filter?.shape.last == 7 ? .imagenet : .cifar
    }

    /// The tensors of a network's slots, by the slots' names; the normalisation too where the file holds it.
    ///
    /// The router of the whole network may be absent where the layout allows it, and batch norms' counters, which nothing
    /// here reads, anywhere: PyTorch before 0.4.1 had none, and many codes leave them out. They are 0 then.
    /// - Throws: ``Files/RunError/checkpoint(_:)`` that lists what is missing, misshaped and superfluous, or tells that a
    ///   repetition is none; ``Files/RunError/numerical(_:)`` where a value is not finite.
    package func tensors(_ slots: [Slot], channels: Int) throws -> [String: NamedTensor] {
        let lacksRouter = layout.repeatsRouter && !hasImageRouter
        var expected = slots.filter { !lacksRouter || $0.group != .router }.map { ($0.name, $0.layout.shape) }
        if holdsNormalization {
            expected += ModelTensors.normalizationNames.map { name in
                let isOwn = normalizationName(name) == prefix + name
                return (name, isOwn ? [channels] : layout.normalizationShape(channels))
            }
        }
        var foreign = layout.foreignNames(expected.map(\.0), stem: stem).mapValues { prefix + $0 }
        for name in ModelTensors.normalizationNames where foreign[name] != nil {
            foreign[name] = normalizationName(name)
        }
        let missing = Set(
            slots.filter { $0.layout == .counter && kinds[foreign[$0.name] ?? $0.name] == nil }.map(\.name))
        expected.removeAll { missing.contains($0.0) }
        try TensorMismatch(kinds, expected: expected.map { (foreign[$0.0] ?? $0.0, $0.1) }).check(path)
        let found: [String: NamedTensor]
        do { found = try SafetensorsFile.read(path) } catch { throw CheckpointError(error) }
        try found.requireFinite(path)
        for (name, original) in repetitions.sorted(by: { $0.key < $1.key })
        where found[name]?.values != found[original]?.values || found[name]?.shape != found[original]?.shape {
            throw RunError.checkpoint(
                "\(path): \(name) differs from \(original), expected the same router below every layer")
        }
        var result: [String: NamedTensor] = [:]
        for (own, name) in foreign { result[own] = found[name]?.renamed(own) }
        for name in ModelTensors.normalizationNames where result[name] != nil {
            result[name] = result[name]?.reshaped([channels])
        }
        for name in missing { result[name] = NamedTensor(name: name, shape: [], values: .int64([0])) }
        return result
    }
}

extension NamedTensor {
    package func renamed(_ name: String) -> NamedTensor { NamedTensor(name: name, shape: shape, values: values) }

    /// The same elements in another shape of as many.
    package func reshaped(_ shape: [Int]) -> NamedTensor { NamedTensor(name: name, shape: shape, values: values) }
}
