import Networks

/// What a step may change, as it was before: weights, running statistics, the optimizer's state, averages, filter scores and
/// what the method keeps.
struct StepSnapshot {
    private let values: [Float]
    private let statistics: [Float]
    private let optimizer: [[Float]]
    private let average: WeightAverage.Contents?
    private let scores: FilterScores.Contents?
    private let method: any TrainingMethod

    /// Takes down what there is.
    init(_ step: TrainingStep) {
        values = Array(step.network.parameters.values)
        statistics = Array(step.network.parameters.statistics)
        optimizer = step.optimizer.state.map { Array($0.arena) }
        average = step.average?.contents
        scores = step.scores?.contents
        method = step.method
    }

    /// Brings it back, and returns the method as it was.
    func restore(_ step: TrainingStep) -> any TrainingMethod {
        step.network.parameters.update {
            _ = $0.values.update(from: values)
            _ = $0.statistics.update(from: statistics)
        }
        for ((_, arena), saved) in zip(step.optimizer.state, optimizer) { _ = arena.update(from: saved) }
        if let average { step.average?.contents = average }
        if let scores { step.scores?.contents = scores }
        return method
    }
}
