import Configuration
import Files

/// What a run will need and how long it will take, on its own hosts and on up to 1,024 ranks; arithmetic alone.
package struct RunPlan: Encodable, Sendable {
    /// What is planned.
    struct Task {
        /// Training images, and those that are evaluated.
        var trainImages: Int
        var evaluatedImages: Int
        var globalBatch: Int
        var epochs: Int
        var shards: Int
        /// Bytes that a part of the gradients takes on its way.
        var bucketBytes: Int
        /// Whether gradients are encoded.
        var encodes = false
        /// Evaluations without attacks, and those with them.
        var cleanEvaluations: Int
        var attackedEvaluations: Int
        /// Gradient steps of all attacks of an evaluation, restarts included.
        var attackSteps: Int
        var chunk: Int
        /// Bytes of images that a rank holds.
        var imageBytes: Int
        var ranksOfHost: Int
        var threads: Int
        /// Bytes that a job may use on a host.
        var hostBytes: Int

        var stepsPerEpoch: Int { (trainImages - 1) / globalBatch + 1 }
        var steps: Int { epochs * stepsPerEpoch }
    }

    /// The run on a number of ranks.
    package struct Row: Encodable, Equatable, Sendable {
        package let ranks: Int
        package let hosts: Int
        package let threads: Int
        /// The most images of a rank in a step.
        package let imagesOfRank: Int
        package let stepSeconds: Double
        /// Seconds of a step in attacks.
        package let attackSeconds: Double
        /// Seconds of a step that exchanges are not hidden behind the backward pass.
        package let waitSeconds: Double
        package let imagesPerSecond: Double
        /// Images a second of each rank, over those of one rank alone.
        package let efficiency: Double
        package let trainingHours: Double
        package let evaluationHours: Double
        package let hours: Double
        package let coreHours: Double
        /// The most bytes of a rank, and of the ranks of a host.
        package let rankBytes: Int
        package let hostBytes: Int
        /// Whether they are more than a job may use.
        package let exceedsMemory: Bool
    }

    package let stepsPerEpoch: Int
    package let steps: Int
    /// Bytes of gradients that a rank hands to each exchange.
    package let gradientBytes: Int
    package let buckets: Int
    package let bucketBytes: Int
    package let smallSums: Int
    package let hostLimitBytes: Int
    package let link: MeasuredRates.Link
    /// The run on the hosts that it is to have.
    package let chosen: Row
    /// The run on one rank, and on ever twice as many.
    package let rows: [Row]

    /// The share of an update that its backward pass takes, beside which gradients are exchanged: two of three passes' worth of
    /// products, and less what comes before its first bucket is whole.
    private static let backwardShare = 0.6
    private static let mostRanks = 1024
    /// Bytes of tables, checkpoints under way and what evaluations keep of images, which no measured step has; between 11 and 20
    /// MiB were seen.
    fileprivate static let recordBytes = 16 << 20

    /// Works the plan out.
    init(_ task: Task, _ rates: MeasuredRates, link: MeasuredRates.Link, ranks: Int) {
        let arithmetic = Arithmetic(task: task, rates: rates, link: LinkModel(link: link))
        stepsPerEpoch = task.stepsPerEpoch
        steps = task.steps
        gradientBytes = rates.exchange.gradientBytes
        buckets = arithmetic.buckets
        bucketBytes = min(task.bucketBytes, rates.exchange.gradientBytes)
        smallSums = rates.exchange.smallSums
        hostLimitBytes = task.hostBytes
        self.link = link
        chosen = arithmetic.row(ranks)
        var counts: [Int] = []
        var count = 1
        while count <= Self.mostRanks {
            if task.shards == 0 || task.shards % count == 0 { counts.append(count) }
            count *= 2
        }
        if task.shards > 0 { counts = (1...min(task.shards, Self.mostRanks)).filter { task.shards % $0 == 0 } }
        rows = counts.map(arithmetic.row)
    }

    private struct Arithmetic {
        let task: Task
        let rates: MeasuredRates
        let link: LinkModel

        var buckets: Int { max(1, (rates.exchange.gradientBytes + task.bucketBytes - 1) / task.bucketBytes) }

        /// Seconds that a step of a rank with so many images waits for exchanges.
        func wait(_ ranks: Int, images: Int) -> Double {
            guard ranks > 1 else { return 0 }
            let small = Double(rates.exchange.smallSums) * link.seconds(bytes: 64, ranks: ranks)
            if task.shards > 0 {
                // Every shard moves once, after the backward pass, and the sums once more.
                let bytes = Double(rates.exchange.gradientBytes) * (Double(task.shards) / Double(ranks) + 1)
                return small + bytes / link.link.bytesPerSecond
            }
            func sum(_ bytes: Int) -> Double { link.seconds(bytes: bytes, ranks: ranks, isEncoded: task.encodes) }
            let one = sum(min(task.bucketBytes, rates.exchange.gradientBytes))
            let update = rates.stepSeconds(images: images) - rates.attackSeconds(images: images)
            let hidden = update * RunPlan.backwardShare
            // The last part is what is left of the gradients.
            let rest = rates.exchange.gradientBytes - (buckets - 1) * task.bucketBytes
            let all = Double(buckets - 1) * one + sum(rest)
            return small + max(one, all - hidden)
        }

        func stepSeconds(_ ranks: Int) -> Double {
            let images = (task.globalBatch + ranks - 1) / ranks
            return rates.stepSeconds(images: images) + wait(ranks, images: images)
        }

        func evaluationSeconds(_ ranks: Int, attackSteps: Int) -> Double {
            let chunks = (task.evaluatedImages + task.chunk - 1) / task.chunk
            let ofRank = Double((chunks + ranks - 1) / ranks * task.chunk) / Double(rates.evaluation.images)
            // After each attack the images that it made are judged.
            let judged = rates.evaluation.forwardSeconds * (attackSteps > 0 ? 2 : 1)
            return ofRank * (judged + Double(attackSteps) * rates.evaluation.attackSeconds)
        }

        /// The most that a rank holds; evaluations take what steps have left, and more.
        func rankBytes(images: Int) -> Int {
            let evaluates = task.cleanEvaluations + task.attackedEvaluations > 0
            let evaluation = rates.evaluationBytes(images: images) * task.chunk / rates.evaluation.images
            return rates.fixedBytes + RunPlan.recordBytes + task.imageBytes + rates.tensorBytes(images: images)
                + (evaluates ? evaluation : 0)
        }

        func row(_ ranks: Int) -> Row {
            let images = (task.globalBatch + ranks - 1) / ranks
            let seconds = stepSeconds(ranks)
            let training = Double(task.steps) * seconds / 3600
            let evaluation =
                (Double(task.cleanEvaluations) * evaluationSeconds(ranks, attackSteps: 0)
                    + Double(task.attackedEvaluations) * evaluationSeconds(ranks, attackSteps: task.attackSteps)) / 3600
            let ofHost = min(ranks, task.ranksOfHost)
            let rankBytes = rankBytes(images: images)
            return Row(
                ranks: ranks, hosts: (ranks + task.ranksOfHost - 1) / task.ranksOfHost, threads: task.threads,
                imagesOfRank: images, stepSeconds: seconds, attackSeconds: rates.attackSeconds(images: images),
                waitSeconds: wait(ranks, images: images), imagesPerSecond: Double(task.globalBatch) / seconds,
                efficiency: stepSeconds(1) / (Double(ranks) * seconds), trainingHours: training,
                evaluationHours: evaluation, hours: training + evaluation,
                coreHours: (training + evaluation) * Double(ranks * task.threads), rankBytes: rankBytes,
                hostBytes: rankBytes * ofHost, exceedsMemory: rankBytes * ofHost > task.hostBytes)
        }
    }
}
