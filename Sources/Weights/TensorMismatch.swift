import Files

/// What does not fit between the tensors of a file and those that a model has.
package struct TensorMismatch {
    /// Tensors of one kind that are told one by one; of more, the rest is counted.
    private static let told = 3

    /// Sentences on tensors that are missing, misshaped or of another type, in the model's order, then on superfluous ones.
    private(set) var missing: [String] = []
    private(set) var misshaped: [String] = []
    private(set) var superfluous: [String] = []

    /// - Parameters:
    ///   - found: The tensors of the file.
    ///   - expected: Names and shapes of the model's, in its order; the shape of a scalar means a whole number.
    package init(_ found: [String: SafetensorsFile.Kind], expected: [(name: String, shape: [Int])]) {
        for (name, shape) in expected {
            guard let tensor = found[name] else {
                missing.append("expected a tensor \(name) of shape \(shape), found none")
                continue
            }
            let type: ElementType = shape.isEmpty ? .int64 : .float
            if tensor.shape != shape {
                misshaped.append("\(name) has shape \(tensor.shape), this model has \(shape)")
            } else if tensor.type != type {
                misshaped.append("\(name) is stored as \(tensor.type.word), expected \(type.word)")
            }
        }
        let known = Set(expected.map(\.name))
        superfluous = found.keys.filter { !known.contains($0) }.sorted().map {
            "found a tensor \($0) that this model does not have"
        }
    }

    /// Throws ``Files/RunError/checkpoint(_:)`` with all that does not fit, if anything.
    package func check(_ path: String) throws {
        let kinds = [("missing", missing), ("misshaped", misshaped), ("superfluous", superfluous)]
            .filter { !$0.1.isEmpty }
        guard !kinds.isEmpty else { return }
        let lines = kinds.flatMap { kind, sentences in
            sentences.prefix(Self.told).map(\.printableLine)
                + (sentences.count > Self.told ? ["and \(sentences.count - Self.told) more \(kind)"] : [])
        }
        let counts = kinds.map { "\($0.1.count) \($0.0)" }.joined(separator: ", ")
        throw RunError.checkpoint(
            "\(path): \(lines.joined(separator: "\n  "))\n  it is of another architecture (\(counts))")
    }
}

extension ElementType {
    fileprivate var word: String { self == .float ? "float32" : "int64" }
}
