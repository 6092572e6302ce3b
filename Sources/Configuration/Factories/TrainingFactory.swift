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
                    schedule, rate: optimizer.rate(globalBatch: training.globalBatch), epochs: training.epochs,
                    stepsPerEpoch: stepsPerEpoch))
        }
        let backbone = group(training.optimizer, training.schedule)
        let alternation = training.methods.advmoe
        let router =
            training.method == .advmoe ? group(alternation.routerOptimizer, alternation.routerSchedule) : backbone
        return TrainingSettings(
            seed: training.seed, globalBatch: training.globalBatch, microBatch: training.microBatch,
            onNonFinite: training.onNonFinite, parameters: training.parameters,
            filterShare: training.scores.filterShare, weightAverage: training.weightAverage,
            groups: [.backbone: backbone, .router: router],
            attack: trainingAttack?.networkAttack(for: .training), normalization: distributed.batchNorm,
            routing: routingRule,
            arithmetic: kernels.passArithmetic, attackArithmetic: kernels.attackArithmetic,
            filterCacheMegabytes: kernels.transformCacheMegabytes,
            bucketMegabytes: distributed.bucketMegabytes, wire: distributed.wire,
            feedsErrorBack: distributed.errorFeedback, shards: shardsPerRank(ranks),
            isOrdered: distributed.deterministicShards > 0)
    }

    /// Shards that each rank's part of a batch is cut into.
    package func shardsPerRank(_ ranks: Int) -> Int {
        distributed.deterministicShards == 0 ? 1 : distributed.deterministicShards / ranks
    }
}
