import Networks
import Tensors

/// A training pass that was made, and is to be carried back.
struct TrainingPass {
    /// Logits, `[images, 1, 1, classes]` a shard.
    let logits: [Tensor]
    /// The gradient of the logits, a shard each; a later term of the loss may be added to it.
    var dLogits: [Tensor]
    let tape: Network.Tape
    let pass: Pass
    let record: PassRecord
    /// What each shard adds to the totals of the global batch.
    let sums: [PassTotals]
    /// What the balancing losses are differentiated at.
    let balance: BalanceTerms
    /// What the pass did with the global batch and what it gave; nil of a part of a batch, which is settled with the others.
    let settled: (record: SettledRecord, outcome: PassOutcome)?
}

/// A pass of the image's router alone.
struct RouterPass {
    let routing: ImageRouting
    let pass: Pass
    /// What the balancing losses would be differentiated at.
    let balance: BalanceTerms
    /// The gradient of the router's logits, `[images, 1, 1, experts]` a shard.
    var dLogits: [Tensor] = []
}

/// The numbers of a pass that are added up over the global batch, beside those of its record.
struct PassTotals {
    /// Σ over images of what the pass adds to the loss.
    var loss: Double
    /// Images that are predicted right.
    var correct: Int
    /// Shards whose rank was asked to stop.
    var stopRequests = 0

    /// Where ``stopRequests`` stands in ``list``.
    static let stopRequestsPlace = 2

    var list: [Double] { [loss, Double(correct), Double(stopRequests)] }

    init(loss: Double, correct: Int) {
        self.loss = loss
        self.correct = correct
    }

    init(list: [Double]) {
        loss = list[0]
        correct = Int(list[1])
        stopRequests = Int(list[Self.stopRequestsPlace])
    }
}
