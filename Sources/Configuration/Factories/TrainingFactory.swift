import Collectives
import Datasets
import Training

extension RunConfiguration {
    /// How the steps of this run go, whatever its method.
    ///
    /// - Parameters:
    ///   - stepsPerEpoch: Steps of an epoch.
    ///   - ranks: Ranks that train together; they divide the deterministic shards, if there are any.
    package func trainingSettings(stepsPerEpoch: Int, ranks: Int) -> TrainingSettings {
        func group(_ optimizer: OptimizerSettings, _ schedule: ScheduleSettings) -> GroupSettings {
            GroupSettings(
                optimizer,
                LearningRateSchedule(
                    schedule, rate: optimizer.rate, epochs: training.epochs, stepsPerEpoch: stepsPerEpoch))
        }
        let backbone = group(training.optimizer, training.schedule)
        let alternation = training.advmoe
        let router =
            training.method == .advmoe ? group(alternation.routerOptimizer, alternation.routerSchedule) : backbone
        return TrainingSettings(
            seed: training.seed, globalBatch: training.globalBatch, microBatch: training.microBatch,
            parameters: training.parameters, filterShare: training.scores.filterShare,
            weightAverage: training.weightAverage, groups: [.backbone: backbone, .router: router],
            attack: trainingAttack?.networkAttack, normalization: distributed.batchNorm, routing: routingRule,
            arithmetic: kernels.arithmetic, filterCacheMegabytes: kernels.transformCacheMegabytes,
            bucketMegabytes: distributed.bucketMegabytes, shards: shardsPerRank(ranks),
            isOrdered: distributed.deterministicShards > 0)
    }

    /// Shards that each rank's part of a batch is cut into.
    package func shardsPerRank(_ ranks: Int) -> Int {
        distributed.deterministicShards == 0 ? 1 : distributed.deterministicShards / ranks
    }

    /// What a step does with a batch.
    package func trainingMethod(_ traits: DatasetTraits, _ communicator: any Communicator) -> any TrainingMethod {
        let attacked = trainingAttack?.resolvedId ?? "clean"
        switch training.method {
        case .standard, .pgd, .fast: return Adversarial(inputs: attacked)
        case .free:
            let noise = FreeNoise(
                epsilon: Float(attack.epsilon), stepSize: Float(attack.stepSize), globalBatch: training.globalBatch,
                shape: (traits.height, traits.width, traits.channels), shards: shardsPerRank(communicator.size),
                communicator)
            return Free(training.free, noise: noise, inputs: freeInputs)
        case .trades: return Trades(training.trades, attacked: attacked)
        case .mart: return Mart(training.mart, attacked: attacked)
        case .advmoe: return AdvMoE(training.advmoe.method, experts: moe.experts, attacked: attacked)
        }
    }
}
