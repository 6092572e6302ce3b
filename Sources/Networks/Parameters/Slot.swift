/// A named range of the parameter arena or of the statistics arena.
public struct Slot: Hashable, Sendable {
    /// torchvision's name, with `experts.<e>` and `router` where a layer is a mixture.
    public let name: String
    /// Shape in memory and outside.
    public let layout: SlotLayout
    /// The first element in its arena.
    public let offset: Int
    /// Whether it is a running statistic, in the statistics arena, rather than a parameter.
    public let isStatistic: Bool
    /// Which optimizer owns it.
    public let group: ParameterGroup
    /// The expert it belongs to, if any.
    public let owner: ExpertOwner?

    /// Elements of the slot.
    public var count: Int { layout.count }
    /// Its place in the arena.
    public var range: Range<Int> { offset..<offset + count }

    /// The part of a slot of slabs, or of windows, that holds one filter.
    func slab(_ index: Int) -> Slot {
        let filter: SlotLayout
        let start: Int
        switch layout {
        case .slabs(_, let kernel, let inputs, let outputs):
            filter = .convolution(kernel: kernel, inputs: inputs, outputs: outputs)
            start = index * filter.count
        case .windows(let starts, let kernel, let inputs, let outputs, _):
            filter = .window(kernel: kernel, inputs: inputs, outputs: outputs)
            start = starts[index] * kernel * kernel * inputs
        default: preconditionFailure("slot \(name) has no slabs")
        }
        return Slot(
            name: "\(name)[\(index)]", layout: filter, offset: offset + start, isStatistic: isStatistic, group: group,
            owner: owner)
    }

    /// Outputs, and elements of each, of a filter that lies OHWI in memory; nil where it is HWIO, as kernels want it.
    var rows: (count: Int, length: Int)? {
        guard case .window(let kernel, let inputs, let outputs) = layout else { return nil }
        return (outputs, kernel * kernel * inputs)
    }
}
