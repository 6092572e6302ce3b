import Files
import Networks

/// How the weights of a dense network become those of a mixture: each of its convolutions, or blocks, fills every expert in
/// its place, as in sparse upcycling (Komatsuzaki et al., arXiv:2212.05055); routers keep their first values.
package enum ExpertFilling {
    /// Gives every expert of a network its tensors out of those of a dense one.
    ///
    /// What fits no place is left as it is, for ``ModelTensors/load(_:into:from:)`` to refuse.
    /// - Parameter tensors: Tensors by the program's names.
    /// - Returns: Tensors for the network; nil where they are no dense network's, or it has no experts.
    package static func fill(_ tensors: [String: NamedTensor], for network: Network) -> [String: NamedTensor]? {
        let slots = network.parameters.slots
        guard network.settings.mixture != nil,
            !slots.contains(where: { ($0.owner != nil || $0.group == .router) && tensors[$0.name] != nil })
        else { return nil }
        var result = tensors
        var used: Set<String> = []
        for slot in slots {
            if let owner = slot.owner {
                let name = slot.name.replacing(".experts.\(owner.expert).", with: ".", maxReplacements: 1)
                guard let source = tensors[name] else { continue }
                result[slot.name] = source.renamed(slot.name)
                used.insert(name)
            } else if case .slabs(let count, _, _, _) = slot.layout, let source = tensors[slot.name] {
                result[slot.name] = repeated(source, count, shape: slot.layout.shape)
            }
        }
        for name in used { result[name] = nil }
        let routers = Set(slots.filter { $0.group == .router }.map(\.name))
        for tensor in ModelTensors.tensors(network) where routers.contains(tensor.name) { result[tensor.name] = tensor }
        return result
    }

    /// The filters once for each slab, if that gives the shape; else as they are.
    private static func repeated(_ tensor: NamedTensor, _ count: Int, shape: [Int]) -> NamedTensor {
        guard let filters = tensor.shape.first, [filters * count] + tensor.shape.dropFirst() == shape,
            case .float(let values) = tensor.values
        else { return tensor }
        let slabs = Array(repeatElement(values, count: count).joined())
        return NamedTensor(name: tensor.name, shape: shape, values: .float(slabs))
    }
}
