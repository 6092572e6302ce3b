import Networks

/// A safetensors file of a network's weights, under the names of some layout.
struct WeightFile: Sendable {
    let path: String
    let layout: CheckpointLayout
    /// What stands before every name.
    let prefix: String
    private let kinds: [String: SafetensorsFile.Kind]

    /// Reads the names and shapes; no values yet.
    /// - Throws: ``RunError/checkpoint(_:)`` if no name is one of the layout.
    init(_ path: String, layout: CheckpointLayout) throws {
        self.path = path
        self.layout = layout
        do { kinds = try SafetensorsFile.kinds(path) } catch { throw CheckpointError(error) }
        let names = kinds.keys
        // The longer prefix contains the shorter one.
        let prefixes = layout.prefixes.sorted { $0.count > $1.count }
        guard let prefix = prefixes.first(where: { prefix in names.contains { $0.hasPrefix(prefix) } }) else {
            throw RunError.checkpoint(
                "\(path): expected names that begin with \(layout.prefixes.joined(separator: " or ")), as layout "
                    + "\(layout.rawValue) has them, found \(names.min() ?? "no tensor")")
        }
        self.prefix = prefix
    }

    /// The network that the file belongs to.
    func signature() throws -> ModelSignature {
        let bare = kinds.keys.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
        let own = layout.ownNames(bare)
        var shapes: [String: [Int]] = [:]
        for (name, ownName) in own { shapes[ownName] = kinds[prefix + name]?.shape }
        return try ModelSignature(shapes, path: path)
    }

    /// The tensors of a network's slots, by the slots' names; the normalisation too where the layout stores it.
    /// - Throws: ``RunError/checkpoint(_:)`` that lists what is missing, misshaped and superfluous.
    func tensors(_ slots: [Slot], channels: Int) throws -> [String: NamedTensor] {
        var expected = slots.map { ($0.name, $0.layout.shape) }
        if layout.holdsNormalization { expected += ModelTensors.normalizationNames.map { ($0, [channels]) } }
        let foreign = layout.foreignNames(expected.map(\.0)).mapValues { prefix + $0 }
        try TensorMismatch(kinds, expected: expected.map { (foreign[$0.0] ?? $0.0, $0.1) }).check(path)
        let found: [String: NamedTensor]
        do { found = try SafetensorsFile.read(path) } catch { throw CheckpointError(error) }
        var result: [String: NamedTensor] = [:]
        for (own, name) in foreign { result[own] = found[name]?.renamed(own) }
        return result
    }
}

extension NamedTensor {
    func renamed(_ name: String) -> NamedTensor { NamedTensor(name: name, shape: shape, values: values) }
}
