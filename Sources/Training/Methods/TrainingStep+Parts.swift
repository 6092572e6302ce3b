import Datasets
import Networks

extension TrainingStep {
    /// Takes a step on a rank's images a few at a time, each part attacked, run and carried back before the next: memory
    /// grows with the part, not with the batch.
    ///
    /// Each part is normalised by its own moments; losses and gradients are those of the global batch, and running statistics
    /// see its moments, as ever.
    func updateByParts(
        _ batch: PreparedBatch, size: Int, step: Int, wantsToStop: Bool
    ) throws -> Outcome {
        let parts = batch.parts(of: size)
        var attackSeconds = 0.0
        var records: [PassRecord] = []
        var sums: [[Double]] = []
        exchange.begin(trainedGroups)
        for (index, part) in parts.enumerated() {
            let (images, seconds) = try timed { try attacked(part, step: step) }
            attackSeconds += seconds
            let record = PassRecord()
            let pass = trainingPass(part, step: step, draw: 0, record)
            let (logits, tape) = try network.forward(images, pass)
            let (losses, dLogits) = CrossEntropy.evaluate(logits[0], part.labels[0], divisor: batch.globalSize)
            sums.append([losses.reduce(0, +), Double(correct(logits[0], part.labels[0]))])
            records.append(record)
            let isLast = index == parts.count - 1
            _ = try network.backward(
                [dLogits], tape, pass,
                into: GradientAccumulator(
                    exchange.gradients, record.localTerms(globalImages: batch.globalSize), completes: isLast),
                wantsInput: false)
        }
        let record = PassRecord(merging: records)
        let (totals, settled) = try settle(record, sums, batch.images, batch, step: step, wantsToStop: wantsToStop)
        let applied = try apply(trainedGroups, step: step, records: [settled])
        average?.update(network.parameters)
        return Outcome(
            passes: [PassOutcome(lossSum: totals[0], correct: Int(totals[1]), routers: settled.routers)],
            gradientNorm: applied.norm, rate: applied.rate, isAskedToStop: totals[2] > 0,
            attackSeconds: attackSeconds, waitSeconds: applied.timing.waited,
            communicationSeconds: applied.timing.span)
    }
}

extension PreparedBatch {
    /// The images of the one shard in parts of at most `size`, at least one part, if an empty one.
    fileprivate func parts(of size: Int) -> [PreparedBatch] {
        let count = images[0].images
        return stride(from: 0, to: max(1, count), by: size).map { start in
            let range = start..<min(count, start + size)
            return PreparedBatch(
                epoch: epoch, step: step, images: [images[0].slice(range)], labels: [Array(labels[0][range])],
                indices: [Array(indices[0][range])], globalSize: globalSize)
        }
    }
}
