import Tensors

/// Prepared filters, kept while weights stand still: an attack uses each one once a step in both directions.
///
/// One entry for each filter and direction, replaced when the weights' version or the folding changes. Entries beyond
/// the cap are prepared anew at each use; the first to come stay, since all are used equally often.
public final class FilterCache {
    private struct Key: Hashable {
        let offset: Int
        let pass: ConvolutionPass
        let algorithm: ConvolutionAlgorithm
    }
    private struct Entry {
        let version: Int
        let isFolded: Bool
        let filter: Tensor
    }
    private var entries: [Key: Entry] = [:]
    private let capacityBytes: Int

    /// Bytes of the entries kept.
    public private(set) var bytes = 0

    /// Makes an empty cache that holds at most `capacityMegabytes` MiB.
    public init(capacityMegabytes: Int) {
        capacityBytes = capacityMegabytes << 20
    }

    /// Calls `body` with the filter of `slot` prepared for a pass of `kernel`.
    ///
    /// - Parameter scale: The factor of each output channel that a folded batch norm asks for, or nil. Scales must be
    ///   a function of the parameters' version.
    func withFilter<Result>(
        _ kernel: ConvolutionKernel, _ pass: ConvolutionPass, _ slot: Slot, scale: [Float]?, _ context: Pass,
        _ body: (FloatPointer) -> Result
    ) -> Result {
        let weights = context.parameters.pointer(slot)
        if scale == nil, kernel.usesStoredFilter(pass) { return body(weights) }
        let filter = prepared(kernel, pass, slot, scale: scale, weights, context)
        return withExtendedLifetime(filter) { body(filter.pointer) }
    }

    private func prepared(
        _ kernel: ConvolutionKernel, _ pass: ConvolutionPass, _ slot: Slot, scale: [Float]?, _ weights: FloatPointer,
        _ context: Pass
    ) -> Tensor {
        let key = Key(offset: slot.offset, pass: pass, algorithm: kernel.algorithm(pass))
        let version = context.parameters.version
        let old = entries[key]
        if let old, old.version == version, old.isFolded == (scale != nil) { return old.filter }
        let size = kernel.preparedFilterSize(pass)
        let filter = old?.filter ?? Tensor(context.workspace, images: 1, channels: size)
        func prepare(_ scale: FloatPointer?) {
            kernel.prepareFilter(pass, weights, scale: scale, into: filter.pointer, context.workspace)
        }
        if let scale {
            context.workspace.withScratch(scale.count) { copy in
                copy.update(from: scale, count: scale.count)
                prepare(copy)
            }
        } else {
            prepare(nil)
        }
        if old != nil || bytes + size * 4 <= capacityBytes {
            if old == nil { bytes += size * 4 }
            entries[key] = Entry(version: version, isFolded: scale != nil, filter: filter)
        }
        return filter
    }
}
