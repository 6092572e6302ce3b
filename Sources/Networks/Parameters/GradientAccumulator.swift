import Tensors

/// Where one backward pass adds parameter gradients, and what the balancing losses among them are differentiated at.
///
/// Attacks have none: they carry back the gradient of the images alone, and never see balancing losses.
public struct GradientAccumulator {
    private let gradients: Gradients
    let balance: BalanceTerms
    private let completes: Bool

    /// Makes an accumulator.
    /// - Parameters:
    ///   - gradients: The arenas.
    ///   - balance: What the pass's own record gave: ``SettledRecord/balance``, or ``PassRecord/localTerms(globalImages:)``.
    ///   - completes: Whether arenas are complete behind this backward pass; otherwise another one adds to them.
    public init(_ gradients: Gradients, _ balance: BalanceTerms, completes: Bool = true) {
        self.gradients = gradients
        self.balance = balance
        self.completes = completes
    }

    /// The groups whose gradients are wanted.
    var groups: Set<ParameterGroup> { gradients.groups }

    func wants(_ slot: Slot) -> Bool { gradients.groups.contains(slot.group) }

    func pointer(_ slot: Slot, shard: Int) -> FloatPointer { gradients.pointer(slot, shard: shard) }

    /// Says that this pass adds nothing more to a range of the arenas.
    func finish(_ range: Range<Int>) {
        if completes { gradients.onReady(range) }
    }
}
