import Datasets
import Foundation
import Testing

@testable import Configuration

/// Resolves one YAML text, as of a file `run.yaml`, and overrides of the command line.
private func resolve(_ yaml: String = "", _ overrides: String...) throws -> RunConfiguration {
    try RunConfiguration.resolve(
        layers: [ConfigurationLayer(yaml: yaml, origin: "run.yaml")]
            + overrides.map { ConfigurationLayer(override: $0) })
}

@Suite("Reading a configuration")
struct ConfigurationReadingTests {
    @Test("No layers give the contract's defaults")
    func defaults() throws {
        let run = try RunConfiguration.resolve(layers: [])
        #expect(run == RunConfiguration())
        #expect(
            run.yaml() == """
                preset: null
                model:
                  architecture: resnet18
                  stem: cifar
                  width: null
                  ratio: 1
                  normalize: dataset
                  skip_first_activation: false
                  initialization: pytorch
                  masks: null
                moe:
                  kind: none
                  placement: null
                  routes: learned
                  include_downsample: true
                  experts: 4
                  top_k: 1
                  router: gap-linear
                  router_kernel: 3
                  scope: layer
                  slabs: disjoint
                  straight_through: auto
                  weights: renormalised
                  noise: 0
                  capacity: null
                  statistics: global
                  balance:
                    loss: auto
                    weight: 0.5
                  variance_weight: 0
                training:
                  method: standard
                  epochs: 100
                  global_batch: 128
                  micro_batch: null
                  seed: 12345
                  initial_checkpoint: null
                  initial_layout: robustmoe
                  weight_average: null
                  on_nonfinite: stop
                  norm_alarm: 10
                  parameters: all
                  optimizer:
                    name: sgd
                    rate: 0.1
                    rate_per_images: null
                    momentum: 0.9
                    nesterov: false
                    weight_decay: 0.0005
                    decay_exclude: []
                    clip_norm: null
                  schedule:
                    name: cosine
                    per: step
                    warmup: before
                    warmup_epochs: 0
                    lag_epochs: 0
                    power: 0.9
                    milestones: []
                    gamma: 0.1
                    minimum_rate: 0
                  validation_fraction: 0
                  checkpoint_every: null
                  keep: 2
                  stop_after_steps: null
                  time_limit: null
                attack:
                  id: null
                  name: pgd
                  version: standard
                  norm: linf
                  epsilon: 8/255
                  step_size: 2/255
                  steps: 10
                  restarts: 1
                  targets: 9
                  queries: 5000
                  start: auto
                  objective: auto
                  beta: null
                  keep: last
                  batch_norm: frozen
                  routing: deterministic
                  surrogate: none
                  eot: 1
                  train_samples: null
                  source: null
                  file: null
                evaluation:
                  attacks: null
                  seed: null
                  every_epochs: 1
                  attacks_every_epochs: null
                  steps: null
                  epsilons: null
                  weights: raw
                  masks: null
                  split: null
                  samples: null
                  probe_samples: 0
                  chunk: 64
                  time_limit: null
                  checks: false
                  write_images: false
                  anti_adversary:
                    steps: 0
                    step_size: 0.15
                data:
                  dataset: cifar10
                  path: null
                  train_samples: null
                  test_samples: null
                  augmentation: null
                  resize: null
                  resize_mode: null
                  crop: null
                  corrupt: refuse
                  extra: null
                  extra_share: 0.5
                distributed:
                  batch_norm: local
                  deterministic_shards: 0
                  bucket_megabytes: 4
                  wire: float32
                  error_feedback: false
                  threads: auto
                  timeout_seconds: 300
                kernels:
                  arithmetic: fast
                  transform_cache_megabytes: 2048
                output:
                  name: null
                  every_steps: 0
                  tensorboard: false
                  per_sample_long: false

                """)
    }

    @Test("The command line lies above later files, those above earlier ones, and these above a preset")
    func precedence() throws {
        func resolve(_ count: Int) throws -> RunConfiguration {
            let layers = [
                ConfigurationLayer(
                    yaml: "preset: small\nmoe: {experts: 8}\ntraining: {epochs: 20}", origin: "first.yaml"),
                ConfigurationLayer(yaml: "moe: {experts: 16, top_k: 2}", origin: "second.yaml"),
                ConfigurationLayer(override: "moe.experts=32"),
                ConfigurationLayer(override: "moe.experts=64"),
            ]
            let preset = ConfigurationPreset<RunConfiguration>(
                "small", .init("{moe: {experts: 2, noise: 0.5}, training: {epochs: 7, keep: 5}}"))
            return try RunConfiguration.resolve(layers: Array(layers.prefix(count)), presets: ["small": preset])
                .configuration
        }
        #expect(try (0...4).map { try resolve($0).moe.experts } == [4, 8, 16, 32, 64])
        let run = try resolve(4)
        #expect(run.preset == "small")
        #expect(run.moe.noise == 0.5)
        #expect(run.moe.topK == 2)
        #expect(run.training.epochs == 20)
        #expect(run.training.keep == 5)
    }

    @Test(
        "Fractions are numbers",
        arguments: [
            ("8/255", 8.0 / 255), ("0.5", 0.5), ("1", 1), ("1e-3", 0.001), ("0/7", 0), (".25", 0.25), ("1/3", 1.0 / 3),
        ] as [(String, Double)])
    func fractions(text: String, value: Double) throws {
        #expect(try resolve("", "attack.epsilon=\(text)").attack.epsilon == value)
        #expect(try resolve("moe: {noise: \(text)}").moe.noise == value)
        let schedule = try resolve("training:\n  schedule:\n    minimum_rate: \(text)\n  optimizer: {rate: 1}")
        #expect(schedule.training.schedule.minimumRate == value)
    }

    @Test(
        "What is no finite number is refused",
        arguments: ["1/0", "0/0", "inf", "nan", "0x10", "1/2/3", "8/", "'0.5'", "eight", "1e999"])
    func notNumbers(text: String) {
        #expect(throws: ConfigurationError.self) { try resolve("", "moe.noise=\(text)") }
    }

    @Test(
        "A time limit is seconds, minutes or hours",
        arguments: [("90", 90.0), ("1:30", 90), ("2:00:05", 7205), ("0.5", 0.5), ("36:00:00", 129_600)])
    func times(text: String, seconds: Double) throws {
        #expect(try resolve("", "training.time_limit=\(text)").training.timeLimit?.seconds == seconds)
    }

    @Test("A time limit that is none is refused", arguments: ["0", "-5", "1:60", "1:2:3:4", "1:", "0:00", "soon"])
    func notTimes(text: String) {
        #expect(throws: ConfigurationError.self) { try resolve("", "training.time_limit=\(text)") }
    }

    @Test("An index in a key changes one element of a list, or adds one at its end")
    func listOverride() throws {
        let yaml = "evaluation:\n  attacks:\n    - {name: pgd, steps: 20, step_size: 1/255}\n    - {name: fgsm}"
        let run = try resolve(
            yaml, "evaluation.attacks.0.steps=50", "evaluation.attacks.2.steps=100",
            "training.schedule.milestones=[50]", "training.schedule.milestones.1=75")
        let attacks = try #require(run.evaluation.attacks)
        #expect(attacks.map(\.steps) == [50, 10, 100])
        #expect(attacks.map(\.name) == [.pgd, .fgsm, .pgd])
        #expect(attacks[0].stepSize == 1.0 / 255)
        #expect(run.training.schedule.milestones == [50, 75])
        #expect {
            try resolve(yaml, "evaluation.attacks.3.steps=5")
        } throws: { error in
            "\(error)".contains("evaluation.attacks.3: found {steps: 5}; allowed: an index from 0 to 2 in the key")
        }
    }

    @Test("Attacks of evaluations start from the defaults, not from the attack of training")
    func attackDefaults() throws {
        let run = try resolve("attack: {steps: 7, epsilon: 4/255}\nevaluation: {attacks: [{restarts: 5}]}")
        let attacks = try #require(run.evaluation.attacks)
        #expect(attacks[0].steps == 10)
        #expect(attacks[0].epsilon == 8.0 / 255)
        #expect(run.resolvedEvaluationAttacks == attacks)
    }

    @Test("Without attacks of its own, an evaluation takes that of training with cross entropy")
    func evaluationOfTraining() throws {
        let run = try resolve("", "attack.steps=7")
        #expect(run.resolvedEvaluationAttacks.map(\.steps) == [7])
        #expect(run.resolvedEvaluationAttacks.map(\.objective) == [.given(.crossEntropy)])
        #expect(try resolve("", "attack.name=none").resolvedEvaluationAttacks.isEmpty)
        #expect(try resolve("", "evaluation.attacks=[{name: none}]").resolvedEvaluationAttacks.isEmpty)
    }

    @Test("Values of every type are read")
    func types() throws {
        let run = try resolve(
            """
            # a comment
            model: {architecture: resnet34, width: 16, normalize: none}
            moe:
              kind: conv
              placement: [layer3, 'layer*.1', layer4.0.conv1]
              routes: 3
              straight_through: false
            training:   # nothing below
            output:
              name: 2024
            distributed.threads: 3
            data.augmentation: [flip]
            """, "attack.random_start=false", "training.seed=18446744073709551615", "data.path=/data/a=b")
        #expect(run.model.architecture == .resnet34)
        #expect(run.model.width == 16)
        #expect(run.resolvedPlacement == ["layer3", "layer*.1", "layer4.0.conv1"])
        #expect(run.moe.routes == .expert(3))
        #expect(!run.moe.isStraightThrough)
        #expect(run.training.seed == .max)
        #expect(run.training.epochs == 100)
        #expect(run.output.name == "2024")
        #expect(run.distributed.threads == .given(3))
        #expect(run.data.resolvedAugmentation == [.flip])
        #expect(run.data.path == "/data/a=b")
        #expect(run.attack.start == .given(.none))
        #expect(try resolve("attack: {random_start: true}").attack.start == .given(.uniform))
    }

    @Test("null, and an empty value, bring back a default of null")
    func null() throws {
        let yaml = "{model: {width: 16}, data: {path: here}, evaluation: {split: test}}"
        let run = try resolve(yaml, "model.width=null", "data.path=", "evaluation.split=~")
        #expect(run.model.width == nil)
        #expect(run.data.path == nil)
        #expect(run.evaluation.split == nil)
    }

    @Test("What depends on other keys is decided from them")
    func decided() throws {
        #expect(try resolve("", "moe.kind=conv").resolvedPlacement == ["layer4"])
        #expect(RunConfiguration().resolvedPlacement.isEmpty)
        for (architecture, stage) in [("wrn-16-4", "block3"), ("densenet40", "features.denseblock3")] {
            #expect(
                try resolve("", "moe.kind=conv", "model.architecture=\(architecture)").resolvedPlacement == [stage])
        }
        #expect(RunConfiguration().moe.isStraightThrough)
        #expect(try !resolve("", "moe.top_k=2").moe.isStraightThrough)
        #expect(RunConfiguration().resolvedEvaluationSplit == .test)
        #expect(try resolve("", "training.validation_fraction=0.1").resolvedEvaluationSplit == .validation)
        #expect(RunConfiguration().attack.resolvedStart == .uniform)
        #expect(try resolve("", "attack.name=fgsm").attack.resolvedStart == .none)
        let own: [(String, [Augmentation])] = [
            ("cifar10", [.crop, .flip]), ("cifar100", [.crop, .flip]), ("mnist", [.crop]), ("fashion-mnist", [.crop]),
            ("tiny-imagenet", [.crop, .flip]), ("folder", [.crop, .flip]), ("synthetic", []),
        ]
        for (name, augmentation) in own {
            #expect(try resolve("", "data.dataset=\(name)").data.resolvedAugmentation == augmentation)
        }
    }

    @Test(
        "An attack without an id is called by its numbers",
        arguments: [
            ("{}", "pgd-linf-8of255-10"), ("{epsilon: 4/255, steps: 50}", "pgd-linf-4of255-50"),
            ("{epsilon: 0.03137}", "pgd-linf-0p03137-10"), ("{epsilon: 0.5}", "pgd-linf-0p50000-10"),
            ("{epsilon: 1, steps: 3}", "pgd-linf-255of255-3"), ("{name: fgsm}", "fgsm-linf-8of255"),
            ("{name: none}", "none"), ("{id: strong}", "strong"), ("{norm: l2, epsilon: 0.5}", "pgd-l2-0p50000-10"),
            ("{name: apgd-ce, steps: 20}", "apgd-ce-linf-8of255-20"),
            ("{name: gaussian-noise, epsilon: 0.2}", "gaussian-noise-51of255"),
        ])
    func ids(yaml: String, id: String) throws {
        #expect(try resolve("attack: \(yaml)").attack.resolvedId == id)
    }

    @Test("A file is read, and one that is missing is an error with its name")
    func files() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString + ".yaml")
        try "moe: {experts: 3}\nepochs: 5\n".write(to: url, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: url) }
        #expect {
            try RunConfiguration.resolve(layers: [
                ConfigurationLayer(file: url.path), ConfigurationLayer(file: "/no/x"),
            ])
        } throws: { error in
            let lines = "\(error)".split(separator: "\n")
            return lines.count == 2 && lines[0].hasPrefix("\(url.path):2: epochs: no such key")
                && lines[1] == "/no/x: found no file that can be read; allowed: a YAML file"
        }
    }
}
