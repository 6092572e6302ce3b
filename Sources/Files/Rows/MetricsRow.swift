/// A row of `metrics.csv`: how the task goes, over the steps since the last row or over a split.
package struct MetricsRow: CSVRow, Equatable {
    /// Epoch, step, split and inputs.
    package var position: RowPosition
    /// `task_loss + balance_loss`.
    package var loss: Double?
    /// The mean loss of the task, in nats.
    package var taskLoss: Double?
    /// The balancing losses, weighted and summed over layers.
    package var balanceLoss: Double?
    /// The share of images classified right, in [0, 1].
    package var accuracy: Double?
    /// The number of images, over all ranks.
    package var samples: Int
    /// The rate of the last step.
    package var learningRate: Double?
    /// Elapsed time in seconds, on rank zero.
    package var wallSeconds: Double?
    /// `samples` over the elapsed time of the training loop since the last train row.
    package var imagesPerSecond: Double?
    /// Time spent making adversarial images, in seconds, the largest over ranks.
    package var attackSeconds: Double?
    /// What steps wait for the exchange after their last gradient, in seconds, the largest over ranks.
    package var allreduceSeconds: Double?
    /// The whole span of the exchange, overlapped with the backward pass, in seconds.
    package var communicationSeconds: Double?
    /// The Euclidean norm of the global gradient.
    package var gradientNorm: Double?
    /// The accuracy under the same attack of some of the images that are trained on, in [0, 1].
    package var probeAccuracy: Double?
    /// Time spent in backward passes, in seconds, the largest over ranks.
    package var backwardSeconds: Double?
    /// Time spent writing checkpoints since the row before, in seconds, on rank zero.
    package var checkpointSeconds: Double?
    /// The least and the most over ranks of the time spent in attacks and backward passes, in seconds: work in which no rank
    /// waits for another.
    package var workSeconds: ClosedRange<Double>?
    /// Bytes of gradients that rank zero sent.
    package var wireBytes: Int?
    /// ‖g̃ − g‖ / ‖g‖ of rank zero's gradients as they were sent; empty where they went as they are.
    package var quantizationError: Double?

    /// A row; what is not given is not measured.
    package init(
        position: RowPosition, loss: Double? = nil, taskLoss: Double? = nil, balanceLoss: Double? = nil,
        accuracy: Double? = nil, samples: Int, learningRate: Double? = nil, wallSeconds: Double? = nil,
        imagesPerSecond: Double? = nil, attackSeconds: Double? = nil, allreduceSeconds: Double? = nil,
        communicationSeconds: Double? = nil, gradientNorm: Double? = nil, probeAccuracy: Double? = nil,
        backwardSeconds: Double? = nil, checkpointSeconds: Double? = nil, workSeconds: ClosedRange<Double>? = nil,
        wireBytes: Int? = nil, quantizationError: Double? = nil
    ) {
        self.position = position
        self.loss = loss
        self.taskLoss = taskLoss
        self.balanceLoss = balanceLoss
        self.accuracy = accuracy
        self.samples = samples
        self.learningRate = learningRate
        self.wallSeconds = wallSeconds
        self.imagesPerSecond = imagesPerSecond
        self.attackSeconds = attackSeconds
        self.allreduceSeconds = allreduceSeconds
        self.communicationSeconds = communicationSeconds
        self.gradientNorm = gradientNorm
        self.probeAccuracy = probeAccuracy
        self.backwardSeconds = backwardSeconds
        self.checkpointSeconds = checkpointSeconds
        self.workSeconds = workSeconds
        self.wireBytes = wireBytes
        self.quantizationError = quantizationError
    }

    /// How much better the network is on images that it is trained on than on these.
    package var robustGap: Double? {
        guard let probeAccuracy, let accuracy else { return nil }
        return probeAccuracy - accuracy
    }

    /// The third set of columns: the probe, and seconds of backward passes, checkpoints and ranks' work came to the first, what
    /// gradients took on the wire to the second.
    package static let schemaVersion = 3

    /// The columns of `metrics.csv`.
    package static let columns: [CSVColumn<MetricsRow>] =
        RowPosition.columns { $0.position } + [
            CSVColumn("loss") { CSVValue($0.loss) },
            CSVColumn("task_loss") { CSVValue($0.taskLoss) },
            CSVColumn("balance_loss") { CSVValue($0.balanceLoss) },
            CSVColumn("accuracy") { CSVValue($0.accuracy) },
            CSVColumn("samples") { .integer($0.samples) },
            CSVColumn("learning_rate") { CSVValue($0.learningRate) },
            CSVColumn("wall_seconds") { CSVValue($0.wallSeconds) },
            CSVColumn("images_per_second") { CSVValue($0.imagesPerSecond) },
            CSVColumn("attack_seconds") { CSVValue($0.attackSeconds) },
            CSVColumn("allreduce_seconds") { CSVValue($0.allreduceSeconds) },
            CSVColumn("communication_seconds") { CSVValue($0.communicationSeconds) },
            CSVColumn("gradient_norm") { CSVValue($0.gradientNorm) },
            CSVColumn("probe_accuracy") { CSVValue($0.probeAccuracy) },
            CSVColumn("robust_gap") { CSVValue($0.robustGap) },
            CSVColumn("backward_seconds") { CSVValue($0.backwardSeconds) },
            CSVColumn("checkpoint_seconds") { CSVValue($0.checkpointSeconds) },
            CSVColumn("least_work_seconds") { CSVValue($0.workSeconds?.lowerBound) },
            CSVColumn("most_work_seconds") { CSVValue($0.workSeconds?.upperBound) },
            CSVColumn("wire_bytes") { CSVValue($0.wireBytes) },
            CSVColumn("quantization_error") { CSVValue($0.quantizationError) },
        ]
}
