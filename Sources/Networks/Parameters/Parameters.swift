import Tensors

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
        let pointer = allocateFloats(max(16, count))
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
