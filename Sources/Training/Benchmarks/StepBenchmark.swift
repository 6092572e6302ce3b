import Attacks
import Collectives
import Datasets
import Networks
import Tensors

/// Times the parts of a training step on images of noise: what a step costs, and where it goes.
struct StepBenchmark {
    let configuration: RunConfiguration
    let communicator: any Communicator
    let threads: Int
    let repetitions: Int

    func run() throws -> [Measurement] {
        let workspace = Workspace(threads: threads)
        guard let name = DatasetName(rawValue: configuration.data.dataset.rawValue) else { return [] }
        let traits = name.traits
        let network = try ResNet(configuration.networkSettings(traits), seed: configuration.training.seed)
        let batch = noise(traits, workspace)
        let images = configuration.training.globalBatch
        var results: [Measurement] = []
        func step(_ method: RunConfiguration.Training.Method) -> TrainingStep {
            var settings = configuration
            settings.training.method = method
            // Weights hardly move: every repetition does the same work.
            settings.training.optimizer.rate = 1e-8
            settings.training.schedule.name = .constant
            return TrainingStep(
                network, settings, communicator: communicator, workspace: workspace, shards: 1, stepsPerEpoch: 1)
        }
        let filters = FilterCache(capacityMegabytes: configuration.kernels.transformCacheMegabytes)
        let isFast = configuration.kernelArithmetic == .fast
        let frozen = Pass(
            parameters: network.parameters, workspace: workspace, filters: filters,
            arithmetic: configuration.kernelArithmetic, normalization: .running, folds: isFast,
            routing: configuration.routing(step: nil), samples: batch.indices)
        let target = FrozenTarget(network, frozen)
        let objective = Objective.crossEntropy(batch.labels)
        results.append(
            try Measurement("forward, evaluation mode", repetitions: repetitions, images: images) {
                _ = try network.forward(batch.images, frozen)
            })
        results.append(
            try Measurement("attack step", repetitions: repetitions, images: images) {
                _ = try target.lossesAndInputGradient(batch.images, objective)
            })
        let standard = step(.standard)
        results.append(
            try Measurement("training step, clean", repetitions: repetitions, images: images) {
                _ = try standard.run(batch, step: 0, wantsToStop: false)
            })
        let adversarial = step(.pgd)
        let attackName =
            configuration.attack.name == .pgd ? "PGD-\(configuration.attack.steps)" : configuration.attack.resolvedId
        var attackSeconds = 0.0
        var seconds = 0.0
        results.append(
            try Measurement("training step, \(attackName)", repetitions: repetitions, images: images) {
                let start = ContinuousClock.now
                attackSeconds += try adversarial.run(batch, step: 0, wantsToStop: false).attackSeconds
                seconds += (ContinuousClock.now - start) / .seconds(1)
            })
        if communicator.isRoot {
            Console.print("the attack takes \(Console.percent(attackSeconds / seconds)) of the \(attackName) step")
            Console.print(
                "memory: \(workspace.peakBytes >> 20) MiB of tensors at most in use, \(filters.bytes >> 20) MiB of filters"
            )
        }
        return results
    }

    /// This rank's part of a batch of noise.
    private func noise(_ traits: DatasetTraits, _ workspace: Workspace) -> PreparedBatch {
        let total = configuration.training.globalBatch
        let range = communicator.rank * total / communicator.size..<(communicator.rank + 1) * total / communicator.size
        let images = Tensor(
            workspace, images: range.count, height: traits.height, width: traits.width, channels: traits.channels)
        for (place, sample) in range.enumerated() {
            var stream = RandomStream(seed: 1, purpose: .synthetic, index: sample)
            for index in place * images.imageSize..<(place + 1) * images.imageSize {
                images.pointer[index] = stream.uniform()
            }
        }
        return PreparedBatch(
            epoch: 0, step: 0, images: [images], labels: [range.map { Int32($0 % traits.classes) }],
            indices: [Array(range)], globalSize: total)
    }
}
