import Tensors

/// How a slot is laid out in memory; checkpoints use PyTorch's layout instead.
public enum SlotLayout: Hashable, Sendable {
    /// A filter: HWIO in memory, OIHW outside.
    case convolution(kernel: Int, inputs: Int, outputs: Int)
    /// Filters one after the other, each HWIO in memory; outside one OIHW tensor with the outputs of all.
    case slabs(count: Int, kernel: Int, inputs: Int, outputs: Int)
    /// A matrix: `[inputs, outputs]` in memory, `[outputs, inputs]` outside.
    case matrix(inputs: Int, outputs: Int)
    /// The matrix of a linear layer that sees square maps flattened: `[side·side·channels, outputs]` in memory, as NHWC
    /// maps lie, `[outputs, channels·side·side]` outside, as PyTorch's NCHW maps do.
    case flattenedMap(side: Int, channels: Int, outputs: Int)
    /// One value a channel.
    case vector(Int)
    /// A whole number (int64 outside; exact in memory up to 2²⁴).
    case counter

    /// Elements of the slot.
    public var count: Int {
        switch self {
        case .convolution(let kernel, let inputs, let outputs): kernel * kernel * inputs * outputs
        case .slabs(let count, let kernel, let inputs, let outputs): count * kernel * kernel * inputs * outputs
        case .matrix(let inputs, let outputs): inputs * outputs
        case .flattenedMap(let side, let channels, let outputs): side * side * channels * outputs
        case .vector(let count): count
        case .counter: 1
        }
    }

    /// The shape outside, PyTorch's.
    public var shape: [Int] {
        switch self {
        case .convolution(let kernel, let inputs, let outputs): [outputs, inputs, kernel, kernel]
        case .slabs(let count, let kernel, let inputs, let outputs): [count * outputs, inputs, kernel, kernel]
        case .matrix(let inputs, let outputs): [outputs, inputs]
        case .flattenedMap(let side, let channels, let outputs): [outputs, channels * side * side]
        case .vector(let count): [count]
        case .counter: []
        }
    }
}

/// Which optimizer owns a slot.
public enum ParameterGroup: Hashable, Sendable {
    case backbone, router
}

/// The expert that a slot belongs to, for skipping experts that saw no image.
public struct ExpertOwner: Hashable, Sendable {
    /// The path of the mixture-of-experts layer.
    public let layer: String
    /// The expert's number.
    public let expert: Int

    /// Names an expert.
    public init(layer: String, expert: Int) {
        self.layer = layer
        self.expert = expert
    }
}

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

    /// The part of a slot of slabs that holds one filter.
    func slab(_ index: Int) -> Slot {
        guard case .slabs(_, let kernel, let inputs, let outputs) = layout else {
            preconditionFailure("slot \(name) has no slabs")
        }
        let filter = SlotLayout.convolution(kernel: kernel, inputs: inputs, outputs: outputs)
        return Slot(
            name: "\(name)[\(index)]", layout: filter, offset: offset + index * filter.count, isStatistic: isStatistic,
            group: group, owner: owner)
    }
}

/// All parameters of a network in one arena, all running statistics in another.
///
/// Slots are registered while the network is built; their order is torchvision's. Every slot begins at a multiple of
/// 16 floats. Gradients and optimizer state use the same offsets as the parameter arena.
public final class Parameters {
    /// The slots in order of registration, parameters and statistics mixed as in a state dict.
    public private(set) var slots: [Slot] = []
    /// The length of the parameter arena.
    public private(set) var parameterCount = 0
    /// The length of the statistics arena.
    public private(set) var statisticCount = 0
    /// Grows whenever values change: what was derived from older values is stale.
    public private(set) var version = 0
    /// The version that the parameters of each group last changed at; running statistics have no part in it.
    private var changes: [ParameterGroup: Int] = [:]

    private var parameterStorage: UnsafeMutablePointer<Float>?
    private var statisticStorage: UnsafeMutablePointer<Float>?
    private var initializers: [Initializer] = []

    /// Makes an empty store.
    public init() {}

    deinit {
        parameterStorage?.deallocate()
        statisticStorage?.deallocate()
    }

    /// Adds a slot; only before ``initialize(seed:)``.
    func register(
        _ name: String, _ layout: SlotLayout, _ initializer: Initializer, isStatistic: Bool = false,
        group: ParameterGroup = .backbone, owner: ExpertOwner? = nil
    ) -> Slot {
        precondition(parameterStorage == nil, "slot \(name) is registered after the arena was made")
        let padded = (layout.count + 15) / 16 * 16
        let slot = Slot(
            name: name, layout: layout, offset: isStatistic ? statisticCount : parameterCount,
            isStatistic: isStatistic, group: group, owner: owner)
        if isStatistic { statisticCount += padded } else { parameterCount += padded }
        slots.append(slot)
        initializers.append(initializer)
        return slot
    }

    /// Makes the arenas and draws every slot's initial values from its own random stream.
    func initialize(seed: UInt64) {
        parameterStorage = Parameters.allocate(parameterCount)
        statisticStorage = Parameters.allocate(statisticCount)
        for (index, slot) in slots.enumerated() {
            var stream = RandomStream(seed: seed, purpose: .initialization, index: index)
            initializers[index].fill(writable.values(of: slot), &stream)
        }
    }

    private static func allocate(_ count: Int) -> UnsafeMutablePointer<Float> {
        let pointer = UnsafeMutableRawPointer.allocate(byteCount: max(64, count * 4), alignment: 64)
            .bindMemory(to: Float.self, capacity: max(16, count))
        pointer.update(repeating: 0, count: count)
        return pointer
    }

    private var writable: WritableParameters {
        WritableParameters(
            values: UnsafeMutableBufferPointer(start: parameterStorage, count: parameterCount),
            statistics: UnsafeMutableBufferPointer(start: statisticStorage, count: statisticCount))
    }

    /// The parameter arena.
    public var values: UnsafeBufferPointer<Float> { UnsafeBufferPointer(writable.values) }

    /// The arena of running statistics.
    public var statistics: UnsafeBufferPointer<Float> { UnsafeBufferPointer(writable.statistics) }

    /// The elements of one slot, in memory layout.
    public func values(of slot: Slot) -> UnsafeBufferPointer<Float> { UnsafeBufferPointer(writable.values(of: slot)) }

    /// The address of a slot's first element, for kernels, which write to no operand of a product.
    func pointer(_ slot: Slot) -> FloatPointer {
        guard let start = writable.values(of: slot).baseAddress else {
            preconditionFailure("slot \(slot.name) is empty")
        }
        return start
    }

    /// Lets `body` write to the arenas, whose version then grows: the only way to change values.
    ///
    /// - Parameters:
    ///   - groups: The groups whose parameters `body` writes to; it may write to running statistics in any case.
    ///   - body: Gets the arenas, which are not to be kept.
    public func update<Result>(
        _ groups: Set<ParameterGroup> = [.backbone, .router], _ body: (WritableParameters) throws -> Result
    ) rethrows -> Result {
        defer {
            version += 1
            for group in groups { changes[group] = version }
        }
        return try body(writable)
    }

    /// The version that a slot's group last changed at.
    func version(of slot: Slot) -> Int { changes[slot.group] ?? 0 }

    /// The number of trainable parameters, padding left out.
    public var trainableCount: Int { slots.lazy.filter { !$0.isStatistic }.reduce(0) { $0 + $1.count } }
}
