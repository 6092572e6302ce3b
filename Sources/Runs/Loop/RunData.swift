import Collectives
import Configuration
import Datasets
import Files
import Tensors

/// The images of a training run, the same on all ranks.
struct RunData {
    let train: ImageSet
    let trainIndices: [Int]
    /// What batches have beside them; nil where there is nothing.
    let extra: ImageSet?
    /// Some of them, evenly spread: those that are evaluated too.
    let probe: [Int]
    let evaluation: EvaluationData
    let augmentations: [Augmentation]
    let hasValidation: Bool
    /// What the checkpoints keep of the images.
    let identity: DataIdentity
    let warnings: [String]

    /// Loads the images; collective.
    /// - Parameter loop: Where image files are decoded.
    init(_ configuration: RunConfiguration, loop: ParallelLoop, _ communicator: any Communicator) throws {
        Self.announce(configuration.data, communicator)
        communicator.note("the loading of images")
        let options = try configuration.data.imageFileOptions(loop, communicator)
        let progress = { communicator.note("the decoding of images") }
        let training = try TrainingData(configuration, options, progress)
        train = training.set
        trainIndices = training.train
        let (count, probed) = (training.train.count, configuration.evaluation.probeSamples)
        guard probed <= count else {
            throw RunError.unusable(
                "evaluation.probe_samples is \(probed), allowed are 0 to \(count), the images that are trained on")
        }
        probe = (0..<probed).map { training.train[$0 * count / probed] }
        hasValidation = configuration.training.validationFraction > 0
        identity = DataIdentity(train, validation: training.validation)
        extra = try configuration.data.extra.map { path in
            let images = try ExtraImages(path, beside: training.set, options: options, progress: progress)
            guard images.isLabelled else {
                throw DatasetError.otherImages(
                    "data.extra: \(path) holds no folder of a class, so nothing tells what its images show; robustmoe evaluate "
                        + "--write-labels FILE with the same data.extra writes a pack with a network's labels")
            }
            return images.set
        }
        evaluation = try EvaluationData(configuration, options, training, progress)
        augmentations = configuration.data.resolvedAugmentation
        warnings =
            train.warnings + (extra?.warnings ?? [])
            + (configuration.resolvedEvaluationSplit == .test ? evaluation.set.warnings : [])
        try RankAgreement([
            "training images": train.fingerprint, "evaluated images": evaluation.set.fingerprint,
            "data.extra": extra?.fingerprint ?? "none",
        ]).require(communicator)
    }

    /// What epochs visit, the same on all ranks.
    func sampler(_ configuration: RunConfiguration, seed: UInt64) -> EpochSampler {
        EpochSampler(
            samples: trainIndices, globalBatch: configuration.training.globalBatch, seed: seed,
            extra: extra.map {
                ExtraShare(indices: train.count..<train.count + $0.count, ofBatch: configuration.extraOfBatch)
            })
    }

    /// Says what may take a while.
    static func announce(_ source: RunConfiguration.DataSource, _ communicator: any Communicator) {
        guard communicator.isRoot, source.readsImageFiles, let path = source.path, FileSystem.isDirectory(path) else {
            return
        }
        Console.say("decoding the images in \(path)")
    }
}

/// The training images of a data set, and which of them are set aside for validation.
private struct TrainingData {
    let set: ImageSet
    let train: [Int]
    let validation: [Int]

    init(_ configuration: RunConfiguration, _ options: ImageFileOptions, _ progress: () -> Void) throws {
        let source = configuration.data
        set = try loadDataset(
            source.dataset, path: source.path, split: .train, samples: source.trainSamples, options: options,
            progress: progress)
        (train, validation) = trainValidationSplit(
            count: set.count, fraction: configuration.training.validationFraction, seed: configuration.training.seed)
    }
}

/// The training images that an evaluation's attacks are made on, beside those that they are judged by.
struct CraftingData {
    let set: ImageSet
    /// Those that are trained on, in the order of the data set.
    let indices: [Int]

    /// Loads the images; collective.
    /// - Parameter loop: Where image files are decoded.
    init(_ configuration: RunConfiguration, loop: ParallelLoop, _ communicator: any Communicator) throws {
        let options = try configuration.data.imageFileOptions(loop, communicator)
        let training = try TrainingData(configuration, options) { communicator.note("the decoding of images") }
        (set, indices) = (training.set, training.train)
        try RankAgreement(["training images": set.fingerprint]).require(communicator)
    }
}

/// The images that a network is evaluated on: the validation part of the training images, or the test set.
struct EvaluationData {
    let set: ImageSet
    let indices: [Int]
    /// What they were set aside from; nil of the test set.
    let identity: DataIdentity?

    /// Loads the images, and no others; collective.
    /// - Parameter loop: Where image files are decoded.
    init(_ configuration: RunConfiguration, loop: ParallelLoop, _ communicator: any Communicator) throws {
        RunData.announce(configuration.data, communicator)
        communicator.note("the loading of images")
        try self.init(configuration, configuration.data.imageFileOptions(loop, communicator), nil) {
            communicator.note("the decoding of images")
        }
        try RankAgreement(["evaluated images": set.fingerprint]).require(communicator)
    }

    fileprivate init(
        _ configuration: RunConfiguration, _ options: ImageFileOptions, _ training: TrainingData?,
        _ progress: () -> Void
    ) throws {
        let source = configuration.data
        let all: [Int]
        switch configuration.resolvedEvaluationSplit {
        case .validation:
            let training = try training ?? TrainingData(configuration, options, progress)
            (set, all) = (training.set, training.validation)
            identity = DataIdentity(set, validation: all)
        case .test:
            set = try loadDataset(
                source.dataset, path: source.path, split: .test, samples: source.testSamples, options: options,
                progress: progress)
            all = Array(0..<set.count)
            identity = nil
        }
        guard !all.isEmpty else {
            throw RunError.unusable(
                "evaluation.split: expected at least one image of the split \(configuration.resolvedEvaluationSplit.rawValue), "
                    + "found none")
        }
        guard let samples = configuration.evaluation.samples else {
            indices = all
            return
        }
        guard samples <= all.count else {
            throw RunError.unusable(
                "evaluation.samples is \(samples), allowed are 1 to \(all.count), the images there are")
        }
        indices = Array(all[..<samples])
    }
}

extension RunConfiguration.DataSource {
    /// How the data set's files are read, in the memory that this rank may use; collective.
    func imageFileOptions(_ loop: ParallelLoop, _ communicator: any Communicator) throws -> ImageFileOptions {
        let ranks = try NodeTopology.gather(communicator).ranksBeside(communicator.rank)
        return ImageFileOptions(
            resize: resize, resizeMode: resizeMode, crop: crop, corrupt: corrupt, loop: loop,
            memory: MemoryBudget(jobLimit: ControlGroup.ofThisProcess().memoryLimit, ranks: ranks))
    }
}
