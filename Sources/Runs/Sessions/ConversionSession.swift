import Datasets
import Files
import Networks
import Weights

/// One invocation of `robustmoe convert`: the weights of one file under the names of another layout.
package struct ConversionSession: Sendable {
    private let source: CheckpointLayout
    private let target: CheckpointLayout
    private let input: String
    private let output: String
    private let normalization: String?
    private let force: Bool

    /// Makes a session from the command's options.
    /// - Parameter normalization: The data set by whose mean and deviation images are normalised, or `none`; needed for
    ///   the program's own layout from one that does not store them.
    package init(
        from source: CheckpointLayout, to target: CheckpointLayout, input: String, output: String,
        normalization: String?, force: Bool
    ) {
        self.source = source
        self.target = target
        self.input = input
        self.output = output
        self.normalization = normalization
        self.force = force
    }

    /// Converts, and returns what was done, in lines for a person.
    ///
    /// The input may be a checkpoint or a run where its layout is the program's own.
    package func run() throws -> [String] {
        guard force || !FileSystem.exists(output) else {
            throw RunError.unusable("\(output) is there already; pass --force to replace it")
        }
        let file = try WeightFile(try inputFile(), layout: source)
        let signature = try file.signature()
        if let refusal = target.refusal(signature) { throw RunError.checkpoint("\(file.path): \(refusal)") }
        let settings = signature.networkSettings
        var tensors = try file.tensors(try Network.slots(settings), channels: signature.channels)
        var lines = ["read \(file.path): \(describe(signature))"]
        if signature.mixture?.scope == .image, !file.hasImageRouter {
            let network = try Network(settings, seed: 0)
            for tensor in ModelTensors.tensors(network) where tensor.name.hasPrefix("router.") {
                tensors[tensor.name] = tensor
            }
            lines.append("found no router: the one written has first values, it is not trained")
        }
        if target.tellsNormalization, file.holdsNormalization {
            for name in ModelTensors.normalizationNames {
                tensors[name] = tensors[name]?.reshaped(target.normalizationShape(signature.channels))
            }
        } else if target.holdsNormalization {
            if !file.holdsNormalization {
                for tensor in try normalizationTensors(signature) { tensors[tensor.name] = tensor }
            } else if normalization != nil {
                for asked in try normalizationTensors(signature) where tensors[asked.name] != asked {
                    throw RunError.unusable(
                        "\(file.path) says itself what images are normalised by, and \(asked.name) is not that of "
                            + "--normalize; leave the option out")
                }
            }
        } else {
            for name in ModelTensors.normalizationNames {
                guard case .float(let values) = tensors.removeValue(forKey: name)?.values else { continue }
                lines.append("left out \(name) \(values): layout \(target.rawValue) does not store it")
            }
        }
        let written = named(tensors, signature)
        do { try SafetensorsFile.write(written, to: output) } catch { throw CheckpointError(error) }
        return lines + ["wrote \(output): \(written.count) tensors, layout \(target.rawValue)"]
    }

    /// The tensors under the target's names, the router repeated where that is its habit.
    private func named(_ tensors: [String: NamedTensor], _ signature: ModelSignature) -> [NamedTensor] {
        let names = target.foreignNames(tensors.keys, stem: signature.stem)
        var result = tensors.values.map { $0.renamed(target.prefixes[0] + (names[$0.name] ?? $0.name)) }
        if target.repeatsRouter, let mixture = signature.mixture {
            let router = result.filter { $0.name.hasPrefix("router.") }
            for layer in mixture.layers {
                result += router.map { $0.renamed(CheckpointLayout.repetition($0.name, under: layer)) }
            }
        }
        return result
    }

    private func inputFile() throws -> String {
        guard FileSystem.isDirectory(input) else { return input }
        guard source == .robustmoe else {
            throw RunError.unusable("\(input) is a directory; expected a safetensors file of layout \(source.rawValue)")
        }
        let checkpoint = try Checkpoint.verify(try CheckpointStore.locate(input))
        return FileSystem.join(checkpoint.path, Checkpoint.modelFile)
    }

    private func normalizationTensors(_ signature: ModelSignature) throws -> [NamedTensor] {
        let choices = (DatasetName.allCases.map(\.rawValue) + ["none"]).joined(separator: ", ")
        guard let normalization else {
            throw RunError.unusable(
                "layout \(source.rawValue) does not store what images are normalised by; expected --normalize with a "
                    + "data set, or none: \(choices)")
        }
        var mean = [Float](repeating: 0, count: signature.channels)
        var deviation = [Float](repeating: 1, count: signature.channels)
        if normalization != "none" {
            guard let name = DatasetName(rawValue: normalization) else {
                throw RunError.unusable("--normalize is \(normalization), expected one of \(choices)")
            }
            (mean, deviation) = (name.traits.mean, name.traits.standardDeviation)
        }
        guard mean.count == signature.channels else {
            throw RunError.unusable(
                "--normalize \(normalization) has \(mean.count) channels, the network of \(input) has "
                    + "\(signature.channels)")
        }
        return ModelTensors.normalization(mean: mean, deviation: deviation)
    }

    private func describe(_ signature: ModelSignature) -> String {
        let network =
            "\(signature.architecture.rawValue), \(signature.stem.rawValue) stem, width \(signature.width), "
            + "\(signature.channels) channels, \(signature.classes) classes"
        let ratio = signature.ratio == 1 ? "" : ", ratio \(signature.ratio)"
        guard let mixture = signature.mixture else { return network + ratio }
        return network + ratio + ", \(mixture.experts) \(mixture.kind.rawValue) experts in "
            + "\(mixture.layers.joined(separator: ", ")), router \(mixture.router.rawValue)"
    }
}
