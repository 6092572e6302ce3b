import Tensors

/// Prepared filters, kept while weights stand still: an attack uses each one once a step in both directions.
///
/// One entry for each filter, direction and way to multiply, replaced when the weights' version changes. Entries beyond the
/// cap are prepared anew at each use; the first to come stay, since all are used equally often.
public final class FilterCache {
    private struct Key: Hashable {
        let offset: Int
        let pass: ConvolutionPass
        let algorithm: ConvolutionAlgorithm
        let factors: ProductFactors
    }
    private struct Entry {
        let version: Int
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

    /// Calls `body` with the filters of `slots`, each prepared for a pass of `kernel`.
    func withFilters<Result>(
        _ kernel: ConvolutionKernel, _ pass: ConvolutionPass, _ slots: [Slot], _ context: Pass,
        _ body: ([FloatPointer]) -> Result
    ) -> Result {
        if kernel.usesStoredFilter(pass), slots.allSatisfy({ $0.rows == nil }) {
            return body(slots.map { context.parameters.pointer($0) })
        }
        let filters = slots.map { prepared(kernel, pass, $0, context) }
        return withExtendedLifetime(filters) { body(filters.map(\.pointer)) }
    }

    private func prepared(
        _ kernel: ConvolutionKernel, _ pass: ConvolutionPass, _ slot: Slot, _ context: Pass
    ) -> Tensor {
        let key = Key(offset: slot.offset, pass: pass, algorithm: kernel.algorithm(pass), factors: kernel.factors(pass))
        let version = context.parameters.version(of: slot)
        let old = entries[key]
        if let old, old.version == version { return old.filter }
        let isStored = kernel.usesStoredFilter(pass)
        let size = isStored ? slot.count : kernel.preparedFilterSize(pass)
        let filter = old?.filter ?? Tensor(context.workspace, images: 1, channels: size)
        let weights = context.parameters.pointer(slot)
        if let rows = slot.rows, isStored {
            MatrixProduct.transpose(rows.count, rows.length, weights, into: filter.pointer)
        } else if let rows = slot.rows {
            context.workspace.withScratch(slot.count) { turned in
                MatrixProduct.transpose(rows.count, rows.length, weights, into: turned)
                kernel.prepareFilter(pass, turned, into: filter.pointer, context.workspace)
            }
        } else {
            kernel.prepareFilter(pass, weights, into: filter.pointer, context.workspace)
        }
        if old != nil || bytes + size * 4 <= capacityBytes {
            if old == nil { bytes += size * 4 }
            entries[key] = Entry(version: version, filter: filter)
        }
        return filter
    }
}
