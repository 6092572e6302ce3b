import Networks

/// What a step may change, as it was before: weights, running statistics, the optimizer's state, averages, filter scores, what
/// was left out of what was sent, and what the method keeps.
///
/// One is made for a run, and taken anew before every step.
final class StepSnapshot {
    private var values: [Float]
    private var statistics: [Float]
    private var optimizer: [[Float]]
    private var updates: [Int64]
    private var average: WeightAverage.Contents?
    private var scores: FilterScores.Contents?
    private var unsent: [Float]?
    private var method: any TrainingMethod

    /// Takes down what there is.
    init(_ step: TrainingStep) {
        values = Array(step.network.parameters.values)
        statistics = Array(step.network.parameters.statistics)
        optimizer = step.optimizer.state.map { Array($0.arena) }
        updates = step.optimizer.updates
        average = step.average?.contents
        scores = step.scores?.contents
        unsent = step.exchange.unsent
        method = step.method
    }

    /// Takes down what there is now, in the same memory.
    func take(_ step: TrainingStep) {
        Self.copy(step.network.parameters.values, to: &values)
        Self.copy(step.network.parameters.statistics, to: &statistics)
        for (number, (_, arena)) in step.optimizer.state.enumerated() {
            Self.copy(UnsafeBufferPointer(arena), to: &optimizer[number])
        }
        updates = step.optimizer.updates
        average = step.average?.contents
        scores = step.scores?.contents
        unsent = step.exchange.unsent
        method = step.method
    }

    /// Brings it back, and returns the method as it was.
    func restore(_ step: TrainingStep) -> any TrainingMethod {
        step.network.parameters.update {
            _ = $0.values.update(from: values)
            _ = $0.statistics.update(from: statistics)
        }
        for ((_, arena), saved) in zip(step.optimizer.state, optimizer) { _ = arena.update(from: saved) }
        step.optimizer.updates = updates
        if let average { step.average?.contents = average }
        if let scores { step.scores?.contents = scores }
        step.exchange.unsent = unsent
        return method
    }

    private static func copy(_ source: UnsafeBufferPointer<Float>, to array: inout [Float]) {
        array.withUnsafeMutableBufferPointer { destination in
            guard let start = destination.baseAddress, let source = source.baseAddress else { return }
            start.update(from: source, count: destination.count)
        }
    }
}
