import Datasets

/// The images of a run: what it trains on and what it evaluates on.
struct RunData {
    let train: ImageSet
    let trainIndices: [Int]
    let evaluation: ImageSet
    let evaluationIndices: [Int]
    let augmentations: [Augmentation]
    let hasValidation: Bool
    let warnings: [String]

    init(_ configuration: RunConfiguration) throws {
        let source = configuration.data
        guard let name = DatasetName(rawValue: source.dataset.rawValue) else {
            throw RunError.unusable("data.dataset \(source.dataset.rawValue) has no loader")
        }
        train = try loadDataset(name, path: source.path, split: .train, samples: source.trainSamples)
        let fraction = configuration.training.validationFraction
        hasValidation = fraction > 0
        let split = trainValidationSplit(count: train.count, fraction: fraction, seed: configuration.training.seed)
        trainIndices = split.train
        let evaluated = try RunData.evaluated(configuration, name, train: (train, split.validation))
        evaluation = evaluated.set
        evaluationIndices = evaluated.indices
        augmentations = source.resolvedAugmentation.compactMap { Augmentation(rawValue: $0.rawValue) }
        warnings = train.warnings + (configuration.resolvedEvaluationSplit == .test ? evaluation.warnings : [])
    }

    /// The images that a configuration evaluates on: the validation part of `train`, or the test set.
    private static func evaluated(
        _ configuration: RunConfiguration, _ name: DatasetName, train: (set: ImageSet, validation: [Int])
    ) throws -> (set: ImageSet, indices: [Int]) {
        let set: ImageSet
        let all: [Int]
        switch configuration.resolvedEvaluationSplit {
        case .validation: (set, all) = train
        case .test:
            set = try loadDataset(
                name, path: configuration.data.path, split: .test, samples: configuration.data.testSamples)
            all = Array(0..<set.count)
        }
        guard let samples = configuration.evaluation.samples else { return (set, all) }
        guard samples <= all.count else {
            throw RunError.unusable(
                "evaluation.samples is \(samples), allowed are 1 to \(all.count), the images there are")
        }
        return (set, Array(all[..<samples]))
    }
}
