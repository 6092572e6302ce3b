import Attacks
import Testing
import Training

@testable import Configuration

/// A configuration in which every key that belongs to no single method differs from its default where this version has a
/// second value.
private func unusual() -> RunConfiguration {
    var run = RunConfiguration()
    run.model.architecture = .resnet34
    run.model.stem = .imagenet
    run.model.width = 24
    run.model.ratio = 0.2
    run.model.skipFirstActivation = true
    run.model.initialization = .advmoe
    run.model.normalize = .none
    run.model.ratio = 0.5
    run.moe.kind = .given(.block)
    run.moe.placement = ["layer3.1", "*.0", "layer4"]
    run.moe.routes = .expert(2)
    run.moe.includeDownsample = false
    run.moe.experts = 16
    run.moe.topK = 2
    run.moe.straightThrough = .given(false)
    run.moe.weights = .plain
    run.moe.router = .doubleConvGap
    run.moe.routerKernel = 1
    run.moe.noise = 1.0 / 3
    run.moe.capacity = 1.25
    run.moe.varianceWeight = 0.125
    run.moe.statistics = .local
    run.moe.balance.loss = .given(.switchLoss)
    run.moe.balance.weight = 0.1 + 0.2
    run.preset = "robust-sparse-moes"
    run.training.method = .pgd
    run.training.initialCheckpoint = "results/a run"
    run.training.initialLayout = .torchvision
    // Not written, so that it is the preset's.
    run.training.methods.free.replayBalanceFactor = 2
    run.training.weightAverage = 0.995
    run.training.optimizer.clipNorm = 1.5
    run.training.parameters = .router
    run.training.schedule.lagEpochs = 1
    run.training.schedule.per = .epoch
    run.training.schedule.warmup = .product
    run.training.epochs = 3
    run.training.globalBatch = 7
    run.training.seed = .max
    run.training.optimizer.rate = 0.2
    run.training.optimizer.ratePerImages = 256
    run.training.optimizer.momentum = 0.85
    run.training.cleanWeight = 0.5
    run.training.optimizer.nesterov = true
    run.training.optimizer.weightDecay = 1e-17
    run.training.optimizer.decayExclude = ["bn", "a: b # c", "quote\" \\ tab\t\n", "null", "~", "é\u{85}\u{2028}𝄞"]
    run.training.schedule.name = .step
    run.training.schedule.warmupEpochs = 2.5
    run.training.schedule.power = 1.5
    run.training.schedule.milestones = [2, 3]
    run.training.schedule.gamma = 0.3
    run.training.schedule.minimumRate = 1e-5
    run.training.validationFraction = 0.15
    run.training.onNonFinite = .rollback
    run.training.normAlarm = 5
    run.training.checkpointEvery = 11
    run.training.keep = 3
    run.training.stopAfterSteps = 13
    run.training.timeLimit = RunConfiguration.TimeLimit(seconds: 5400.25)
    run.attack.id = "own_attack-1.5"
    run.attack.name = .fgsm
    run.attack.norm = .l2
    run.attack.epsilon = 0.1
    run.attack.stepSize = 4.0 / 255
    run.attack.steps = 9
    run.attack.restarts = 2
    run.attack.start = .given(.uniformUnclamped)
    run.attack.objective = .given(.crossEntropy)
    run.attack.beta = 3
    run.attack.keep = .best
    run.attack.batchNorm = .batch
    run.attack.routing = .noisy
    run.attack.version = .plus
    run.attack.targets = 8
    run.attack.queries = 400
    run.attack.surrogate = .expert(1)
    run.attack.eot = 3
    run.attack.trainSamples = 500
    run.attack.source = "runs/other"
    run.attack.file = "made before.safetensors"
    var attacks = [RunConfiguration.Attack(), run.attack, RunConfiguration.Attack()]
    attacks[1].batchNorm = .frozen
    attacks[1].routing = .clean
    attacks[2].name = .autoattack
    run.evaluation.attacks = attacks
    run.evaluation.seed = 9
    run.evaluation.attacksEveryEpochs = 5
    run.evaluation.steps = [7, 20]
    run.evaluation.epsilons = [2.0 / 255, 0.5]
    run.evaluation.weights = .average
    run.evaluation.everyEpochs = 2
    run.evaluation.split = .validation
    run.evaluation.samples = 1000
    run.evaluation.probeSamples = 12
    run.evaluation.chunk = 32
    run.evaluation.timeLimit = RunConfiguration.TimeLimit(seconds: 90.5)
    run.evaluation.checks = true
    run.evaluation.writeImages = true
    run.evaluation.antiAdversary.steps = 2
    run.evaluation.antiAdversary.stepSize = 0.1
    run.data.dataset = .tinyImageNet
    run.data.path = "$DATA/tiny imagenet"
    run.data.trainSamples = 500
    run.data.testSamples = 400
    run.data.augmentation = []
    run.data.resize = 48
    run.data.resizeMode = .squash
    run.data.crop = 40
    run.data.corrupt = .skip
    run.data.extra = "$DATA/more.pack"
    run.data.extraShare = 0.25
    run.distributed.batchNorm = .synchronized
    run.distributed.deterministicShards = 8
    run.distributed.bucketMegabytes = 0.5
    run.distributed.threads = .given(3)
    run.distributed.timeoutSeconds = 12.5
    run.kernels.arithmetic = .exact
    run.kernels.transformCacheMegabytes = 0
    run.output.name = "-leading dash: and more"
    run.output.everySteps = 5
    run.output.tensorBoard = true
    run.output.perSampleLong = true
    return run
}

/// Such configurations with each method and each set of parameters that has settings of its own, these unusual too.
private func unusualMethods() -> [RunConfiguration] {
    var free = unusual()
    free.training.method = .free
    free.training.cleanWeight = 0
    free.training.methods.free.replays = 3
    free.training.methods.free.replayBalanceFactor = 3
    free.attack.norm = .linf
    var trades = unusual()
    trades.training.method = .trades
    trades.training.cleanWeight = 0
    trades.training.methods.trades.beta = 5
    trades.training.methods.trades.statisticsUpdates = .published
    trades.attack.name = .pgd
    trades.attack.batchNorm = .frozen
    var advmoe = trades
    advmoe.training.method = .advmoe
    advmoe.training.methods.trades = RunConfiguration().training.methods.trades
    advmoe.training.parameters = .all
    advmoe.training.methods.advmoe.method.beta = 5
    advmoe.training.methods.advmoe.method.alpha = 4
    advmoe.training.methods.advmoe.method.order = .expertsFirst
    advmoe.training.methods.advmoe.method.sharedBatch = true
    advmoe.training.methods.advmoe.method.sharedAttack = true
    advmoe.training.methods.advmoe.routerOptimizer = advmoe.training.optimizer
    advmoe.training.methods.advmoe.routerSchedule = advmoe.training.schedule
    var scores = unusual()
    scores.training.parameters = .scores
    scores.training.scores.filterShare = 0.25
    scores.training.weightAverage = nil
    scores.moe.kind = .none
    var mart = trades
    mart.training.method = .mart
    mart.training.methods.trades = RunConfiguration().training.methods.trades
    mart.training.methods.mart.beta = 4
    var lamb = advmoe
    lamb.training.optimizer.name = .lamb
    lamb.training.optimizer.nesterov = false
    lamb.training.optimizer.secondMomentum = 0.95
    lamb.training.optimizer.epsilon = 1e-5
    lamb.training.optimizer.biasCorrection = true
    lamb.training.optimizer.trustExclude = ["bias"]
    lamb.training.schedule.name = .cyclic
    lamb.training.schedule.peak = 0.3
    var lars = lamb
    lars.training.optimizer.name = .lars
    lars.training.optimizer.secondMomentum = OptimizerSettings().secondMomentum
    lars.training.optimizer.biasCorrection = false
    lars.training.optimizer.trustCoefficient = 0.01
    let layerwise = [lamb, lars].map { run in
        var run = run
        run.training.methods.advmoe.routerOptimizer = run.training.optimizer
        run.training.methods.advmoe.routerSchedule = run.training.schedule
        return run
    }
    return [free, trades, mart, advmoe, scores] + layerwise
}

private func resolve(_ text: String) throws -> RunConfiguration {
    try RunConfiguration.resolve(layers: [ConfigurationLayer(yaml: text, origin: "config.yaml")])
}

@Suite("Writing a configuration")
struct ConfigurationWritingTests {
    @Test("Every key that can differ from its default does so in the configuration of these tests")
    func unusualIsUnusual() {
        // These have a single value in this version, or a rule that forbids a second one.
        let single: Set = [
            "training.optimizer.name", "moe.scope", "moe.slabs",
            "training.advmoe.router_objective", "training.advmoe.statistics_updates", "training.micro_batch",
            "model.masks", "evaluation.masks", "distributed.wire",
            "distributed.error_feedback",
        ]
        let defaults = Dictionary(uniqueKeysWithValues: RunConfiguration.help.map { ($0.key, $0.normal) })
        let common = unusual().written.leaves()
        let ofMethods = unusualMethods().flatMap { $0.written.leaves() }
            .filter { leaf in !common.contains { $0.key == leaf.key } }
        let written = common + ofMethods
        let differing = Set(written.filter { defaults[$0.key] != $0.text }.map(\.key))
        #expect(Set(written.map(\.key)).subtracting(differing) == single)
        let unwritten = Set(defaults.keys).subtracting(written.map(\.key))
        #expect(unwritten == ["attack.random_start", "evaluation.attacks"])
    }

    @Test("What is written reads back as the same value, as YAML and as JSON")
    func roundTrip() throws {
        for run in [RunConfiguration(), unusual()] + unusualMethods() {
            #expect(try resolve(run.yaml()) == run)
            #expect(try resolve(run.canonicalJSON) == run)
        }
    }

    @Test(
        "Numbers read back exactly",
        arguments: [
            8.0 / 255, 1.0 / 3, 0.1 + 0.2, .leastNonzeroMagnitude, 1.7976931348623157e308, 123_456_789_012_345_680,
            1e15, 999_999, 0,
        ])
    func numbers(value: Double) throws {
        var run = RunConfiguration()
        run.moe.noise = value
        #expect(try resolve(run.yaml()).moe.noise == value)
        #expect(try resolve(run.canonicalJSON).moe.noise == value)
    }

    @Test("Lists of attacks are written one key a line, and other lists on one line")
    func lists() {
        var run = RunConfiguration()
        run.evaluation.attacks = [RunConfiguration.Attack(), RunConfiguration.Attack()]
        run.training.schedule.milestones = [50, 75]
        run.moe.placement = ["*.conv1", "layer4"]
        let yaml = run.yaml()
        #expect(yaml.contains("\nevaluation:\n  attacks:\n    - id: null\n      name: pgd\n"))
        #expect(yaml.contains("\n    milestones: [50, 75]\n"))
        #expect(yaml.contains("\n  placement: [\"*.conv1\", layer4]\n"))
    }

    @Test("JSON has sorted keys and no white space, and tells configurations apart")
    func json() {
        let run = RunConfiguration()
        #expect(
            run.canonicalJSON.hasPrefix(
                #"{"attack":{"batch_norm":"frozen","beta":null,"eot":1,"epsilon":0.03137254901960784,"file":null,"id":null,"keep":"last","#
            ))
        #expect(!run.canonicalJSON.contains(" "))
        var other = run
        other.training.seed += 1
        #expect(other.canonicalJSON != run.canonicalJSON)
    }

    @Test("Help lists every key with its default")
    func help() {
        let keys = RunConfiguration.help.map(\.key)
        #expect(Set(keys).count == keys.count)
        var written = Set(RunConfiguration().written.leaves().map(\.key))
        for method in RunConfiguration.Training.Method.allCases {
            var run = RunConfiguration()
            run.training.method = method
            run.training.parameters = .scores
            run.training.initialCheckpoint = "weights"
            for name in OptimizerName.allCases {
                run.training.optimizer.name = name
                run.training.methods.advmoe.routerOptimizer.name = name
                run.training.schedule.name = .cyclic
                run.training.methods.advmoe.routerSchedule.name = .cyclic
                written.formUnion(run.written.leaves().map(\.key))
            }
        }
        #expect(Set(keys).subtracting(["attack.random_start"]) == written)
        let experts = RunConfiguration.help.first { $0.key == "moe.experts" }
        #expect(experts?.normal == "4")
        #expect(experts?.allowed == "an integer, from 1 to 1024")
        #expect(RunConfiguration.help.allSatisfy { !$0.summary.isEmpty })
    }
}

@Suite("Continuing a run")
struct ConfigurationResumeTests {
    @Test(
        "A change of what the checkpoint fixes is a conflict with both values",
        arguments: [
            ("model.width=16", "model.width: the checkpoint has null, this run has 16"),
            ("moe.balance.weight=1", "moe.balance.weight: the checkpoint has 0.5, this run has 1"),
            (
                "training.validation_fraction=0.1",
                "training.validation_fraction: the checkpoint has 0, this run has 0.1"
            ),
            ("training.parameters=scores", "training.parameters: the checkpoint has all, this run has scores"),
            ("training.method=pgd", "training.method: the checkpoint has standard, this run has pgd"),
            ("training.global_batch=64", "training.global_batch: the checkpoint has 128, this run has 64"),
            ("training.seed=1", "training.seed: the checkpoint has 12345, this run has 1"),
        ])
    func conflicts(override: String, message: String) throws {
        let run = try RunConfiguration.resolve(layers: [ConfigurationLayer(override: override)])
        #expect(run.resumeConflicts(with: RunConfiguration()) == [message])
    }

    @Test("What may change is no conflict, and is listed with the old and the new value")
    func changes() throws {
        let overrides = [
            "training.epochs=7", "training.optimizer.rate=0.01", "distributed.threads=2", "attack.epsilon=0.5",
            "evaluation.attacks=[{steps: 20}]", "output.name=again", "data.path=elsewhere", "data.augmentation=[flip]",
        ]
        let run = try RunConfiguration.resolve(layers: overrides.map { ConfigurationLayer(override: $0) })
        let old = RunConfiguration()
        #expect(run.resumeConflicts(with: old).isEmpty)
        let changed = run.changedKeys(from: old)
        #expect(changed.contains("training.epochs: 100 -> 7"))
        #expect(changed.contains("training.optimizer.rate: 0.1 -> 0.01"))
        #expect(changed.contains("distributed.threads: auto -> 2"))
        #expect(changed.contains("attack.epsilon: 8/255 -> 0.5"))
        #expect(changed.contains("evaluation.attacks.0.steps: absent -> 20"))
        #expect(changed.contains("output.name: null -> again"))
        #expect(changed.filter { !$0.hasPrefix("evaluation.attacks") }.count == 7)
        #expect(old.changedKeys(from: run).contains("evaluation.attacks.0.steps: 20 -> absent"))
        #expect(run.changedKeys(from: run).isEmpty)
    }

    @Test("The ends of an invocation are not carried over; all else is, below the new layers")
    func carriedOver() throws {
        var expected = unusual()
        expected.training.stopAfterSteps = nil
        expected.training.timeLimit = nil
        expected.evaluation.timeLimit = nil
        expected.training.epochs = 9
        let layers = [unusual().carriedOver(origin: "config.yaml"), ConfigurationLayer(override: "training.epochs=9")]
        #expect(try RunConfiguration.resolve(layers: layers) == expected)
    }
}
