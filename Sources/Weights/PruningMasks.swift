import Files
import Networks

/// Which filters pruned convolutions keep, as checkpoints hold it: `<path>.mask` of each convolution that can be pruned, 1
/// for a filter that is kept and 0 for one that is gone.
package enum PruningMasks {
    private static let suffix = "mask"

    /// The masks of a network; none if it is whole.
    package static func tensors(_ network: Network) -> [NamedTensor] {
        if network.settings.keptFilters.isEmpty { return [] }
        return network.prunable.map { tensor($0, kept: $0.kept ?? Array(0..<$0.filters)) }
    }

    /// What a person is told of a pruned network.
    package static func line(_ network: Network) -> String {
        if network.settings.keptFilters.isEmpty { return "" }
        let kept = network.prunable.reduce(0) { $0 + ($1.kept?.count ?? $1.filters) }
        return ", pruned to \(kept) of \(network.prunable.reduce(0) { $0 + $1.filters }) filters"
    }

    /// The mask of one convolution.
    package static func tensor(_ convolution: PrunableConvolution, kept: [Int]) -> NamedTensor {
        var values = [Float](repeating: 0, count: convolution.filters)
        for filter in kept { values[filter] = 1 }
        return NamedTensor(
            name: "\(convolution.path).\(suffix)", shape: [convolution.filters], values: .float(values))
    }

    /// The masks among the tensors of a checkpoint's state, by the path of the convolution.
    package static func masks(_ tensors: [String: NamedTensor]) -> [String: [Bool]] {
        var masks: [String: [Bool]] = [:]
        for (name, tensor) in tensors where name.hasSuffix(".\(suffix)") {
            guard case .float(let values) = tensor.values else { continue }
            masks[String(name.dropLast(suffix.count + 1))] = values.map { $0 > 0 }
        }
        return masks
    }

    /// The masks of a checkpoint.
    /// - Throws: ``Files/RunError/checkpoint(_:)`` if it has none.
    package static func masks(of checkpoint: Checkpoint) throws -> [String: [Bool]] {
        let masks = masks(try checkpoint.tensors(in: Checkpoint.stateFile))
        guard !masks.isEmpty else {
            throw RunError.checkpoint(
                "\(checkpoint.path) holds no masks; expected a checkpoint of a run with training.parameters: scores, or of "
                    + "one with model.masks")
        }
        return masks
    }
}
