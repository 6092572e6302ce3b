import Testing

@testable import Configuration

/// The lines of what is wrong with a file `run.yaml` and a command line.
private func problems(_ yaml: String, _ overrides: String...) -> [String] {
    let layers =
        [ConfigurationLayer(yaml: yaml, origin: "run.yaml")] + overrides.map { ConfigurationLayer(override: $0) }
    do {
        _ = try RunConfiguration.resolve(layers: layers)
        return []
    } catch {
        return error.description.split(separator: "\n").map(String.init)
    }
}

@Suite("What is wrong with a configuration")
struct ConfigurationErrorTests {
    private static let number = "a number or a fraction such as 8/255"
    private static func positive(_ most: Int) -> String { "an integer, from 1 to \(most)" }
    private static let epochs = 1_000_000
    private static let steps = 1_000_000_000_000_000
    private static let milestones =
        "a list of: an integer, from 1 to 1000000, each above the one before, at most 64 of them"
    private static let paths =
        "a list of: a text, each a path such as layer4.0.conv1, where * stands for one component; or null"
    private static let expertKeys =
        "kind, placement, routes, include_downsample, experts, top_k, router, router_kernel, scope, slabs, "
        + "straight_through, weights, noise, capacity, statistics, balance, variance_weight"

    private static let objectives = """
        auto, cross-entropy, margin, dlr, kl, router-divergence, model-and-router-divergence, router-labels, \
        model-and-router-labels, router-choice, model-and-router-choice
        """
    private static let searches = """
        pgd, fgsm, apgd-ce, apgd-dlr, apgd-t, fab-t, square, autoattack, gaussian-noise, mixture, transfer, \
        universal, file, none
        """

    @Test(
        "A value out of range or of the wrong type is named with what is allowed",
        arguments: [
            ("attack.epsilon=-1/255", "\(number), from 0 to 10000"),
            ("attack.epsilon=8", "from 0 to 1 where the norm is linf"),
            ("attack.step_size=-1", "\(number), from 0 to 10000"),
            ("attack.restarts=0", positive(1_000_000)),
            ("attack.beta=-1", "\(number), at least 0; or null"),
            ("attack.objective=logits", objectives), ("attack.name=none-such", searches),
            ("attack.id=a b", "a text, made of letters, digits, dots, dashes and underscores; or null"),
            ("attack.random_start=maybe", "true or false"),
            ("training.epochs=0", positive(epochs)),
            ("training.epochs=1.5", positive(epochs)),
            ("training.epochs=null", positive(epochs)),
            ("training.epochs=1000001", positive(epochs)),
            ("training.global_batch=0", positive(131_072)),
            ("training.seed=-1", "an integer from 0 to 18446744073709551615"),
            ("training.validation_fraction=1", "\(number), at least 0, below 1"),
            ("training.keep=0", positive(1_000_000)),
            ("training.checkpoint_every=0", "\(positive(steps)); or null"),
            ("training.optimizer.rate=0", "\(number), above 0"),
            ("training.optimizer.momentum=1", "\(number), at least 0, below 1"),
            ("training.optimizer.name=adamax", "sgd, lars, lamb, adam, adamw"),
            (
                "training.optimizer=sgd",
                "a mapping with keys among name, rate, rate_per_images, momentum, second_momentum, epsilon, bias_correction, "
                    + "trust_coefficient, trust_exclude, nesterov, weight_decay, decay_exclude, clip_norm"
            ),
            ("training.schedule.milestones=[5, 5]", milestones),
            ("training.schedule.milestones=5", milestones),
            ("training.method=madry", "standard, pgd, fast, free, trades, mart, advmoe"),
            ("training.optimizer.clip_norm=0", "\(number), above 0; or null"),
            ("training.weight_average=1", "\(number), at least 0, below 1; or null"),
            ("training.free.replays=0", positive(1_000_000)),
            (
                "evaluation.epsilons=[2, 1]",
                "a list of: \(number), from 0 to 10000, each above the one before, at most 64 of them; or null"
            ),
            ("moe.experts=0", positive(1024)),
            ("moe.experts=[4]", positive(1024)),
            ("moe.experts=9223372036854775807", positive(1024)),
            ("moe.noise=-0.1", "\(number), at least 0"),
            ("moe.routes=-1", "learned, uniform or an expert's number from 0"),
            ("moe.placement=layer4", paths),
            ("moe.placement=[layer4..conv1]", paths),
            ("moe=null", "a mapping with keys among \(expertKeys)"),
            ("model.width=0", "\(positive(8192)); or null"),
            (
                "model.architecture=alexnet",
                "resnet18, resnet34, resnet50, resnet101, wrn-28-10, wrn-16-4, wrn-50-2, wrn-101-2, vgg16, densenet40, "
                    + "preact-resnet18"
            ),
            ("model.ratio=0", "\(number), above 0, at most 1"),
            ("model.ratio=1.5", "\(number), above 0, at most 1"),
            ("training.scores.filter_share=0", "\(number), above 0, at most 1"),
            ("training.parameters=masks", "all, router, experts, scores"),
            ("moe.router_kernel=2", "an integer, 1 or 3"),
            ("moe.capacity=0", "\(number), above 0, at most 1024; or null"),
            ("moe.variance_weight=-1", "\(number), at least 0"),
            (
                "moe.router=pooled",
                "gap-linear, conv-gap, double-conv-gap, fixed-projection, first-channels, random, resnet20"
            ),
            ("moe.balance.loss=kl", "auto, entropy, column-entropy, switch, variance, none"),
            (
                "data.augmentation=[crop, crop]",
                "a list of: crop, flip, random-resized-crop, color-jitter, each once; or null"
            ),
            ("data.resize_mode=stretch", "shorter-side, squash; or null"),
            ("data.extra_share=1", "\(number), above 0, below 1"),
            ("data.test_samples=0", "\(positive(1_000_000_000)); or null"),
            ("distributed.deterministic_shards=-2", "an integer, from 0 to 4096"),
            ("distributed.threads=0", "auto, \(positive(1024))"),
            ("evaluation.split=train", "validation, test; or null"),
            ("preset=advmoe", "advmoe-code, advmoe-paper, robust-sparse-moes, null"),
        ])
    func values(override: String, allowed: String) {
        let sides = override.split(separator: "=")
        let problems = problems("", override)
        #expect(problems.count == 1)
        // What was probably meant may follow.
        let problem = problems.first.map { $0.components(separatedBy: "; did you mean ")[0] }
        #expect(problem == "command line: \(sides[0]): found \(sides[1]); allowed: \(allowed)")
    }

    @Test("A value in quotes is a text, and an element of a list is named by its index")
    func quotesAndElements() {
        let text = problems("", "training.epochs='5'")
        #expect(text == ["command line: training.epochs: found \"5\"; allowed: an integer, from 1 to 1000000"])
        let milestone = problems("training:\n  schedule:\n    milestones:\n      - 1\n      - x")
        #expect(milestone == ["run.yaml:5: training.schedule.milestones.1: found x; allowed: an integer"])
        let augmentation = problems("", "data.augmentation=[rotate]")
        #expect(
            augmentation == [
                "command line: data.augmentation.0: found rotate; allowed: crop, flip, random-resized-crop, color-jitter"
            ])
    }

    @Test("A key that this version lacks is no key, and the message lists its section's")
    func missingKey() {
        let lines = problems("", "moe.temperature=3")
        #expect(lines == ["command line: moe.temperature: no such key (found 3); allowed: \(Self.expertKeys)"])
    }

    @Test(
        "A combination that is impossible is named with what it depends on",
        arguments: [
            (
                "model: {architecture: vgg16, stem: imagenet}", "1: model.stem: found imagenet",
                "cifar where model.architecture is vgg16, whose first stage pools"
            ),
            ("moe: {top_k: 5}", "1: moe.top_k: found 5", "at most moe.experts, 4"),
            ("moe:\n  experts: 2\n  top_k: 3", "3: moe.top_k: found 3", "at most moe.experts, 2"),
            (
                "moe:\n\n  top_k: 2\n  straight_through: true", "4: moe.straight_through: found true",
                "auto or false where moe.top_k is above 1"
            ),
            (
                "moe: {kind: conv, capacity: 1.5}", "1: moe.capacity: found 1.5",
                "null where moe.balance.loss is entropy, which selects without capacity"
            ),
            ("moe: {routes: 4}", "1: moe.routes: found 4", "an expert's number below moe.experts, 4"),
            (
                "moe: {kind: conv, placement: []}", "1: moe.placement: found []",
                "at least one path where moe.kind is conv"
            ),
            ("attack: {steps: 0}", "1: attack.steps: found 0", "at least 1 for pgd"),
            ("attack: {step_size: 0}", "1: attack.step_size: found 0", "above 0 where there are steps"),
            ("attack: {id: clean}", "1: attack.id: found clean", "any name but clean, none, worst-case"),
            (
                "evaluation: {split: validation}", "1: evaluation.split: found validation",
                "test, or a training.validation_fraction above 0"
            ),
            (
                "evaluation:\n  attacks:\n  - {}\n  - {steps: 0}", "4: evaluation.attacks.1.steps: found 0",
                "at least 1 for pgd"
            ),
            (
                "evaluation:\n  attacks:\n  - {id: a}\n  - {id: a}", "4: evaluation.attacks.1.id: found a",
                "an id that no attack before it has"
            ),
            (
                "evaluation:\n  attacks:\n  - {}\n  - {restarts: 2}",
                "2: evaluation.attacks.1.id: found pgd-linf-8of255-10",
                "an id that no attack before it has"
            ),
            (
                "evaluation: {attacks: [{batch_norm: batch}]}", "1: evaluation.attacks.0.batch_norm: found batch",
                "frozen in evaluations, where other images of the batch must not count"
            ),
            (
                "evaluation: {attacks: [{routing: noisy}]}", "1: evaluation.attacks.0.routing: found noisy",
                "deterministic, clean or held in evaluations of routers that were trained without noise"
            ),
            (
                "evaluation: {attacks: [{steps: 5}, {steps: 7}], steps: [1, 2]}",
                "1: evaluation.attacks: found pgd-linf-8of255-1",
                "attacks whose ids still differ under evaluation.steps and evaluation.epsilons"
            ),
            (
                "training: {method: fast}", "1: attack.step_size: found 0.00784313725490196",
                "at least attack.epsilon, 8/255, where training.method is fast, such as 10/255 for 8/255"
            ),
            (
                "{training: {method: fast}, attack: {name: apgd-ce}}", "1: attack.name: found apgd-ce",
                "pgd or fgsm where training.method is fast"
            ),
            (
                "{training: {method: free}, attack: {norm: l2}}", "1: attack.norm: found l2",
                "linf where training.method is free"
            ),
            (
                "training: {schedule: {warmup: product}}", "1: training.schedule.warmup: found product",
                "before, or training.schedule.per: epoch"
            ),
            (
                "training: {schedule: {warmup: product, per: epoch, warmup_epochs: 5}, epochs: 5}",
                "1: training.schedule.warmup_epochs: found 5",
                "below training.epochs, 5, where training.schedule.warmup is product"
            ),
            (
                "training: {optimizer: {nesterov: true, momentum: 0}}", "1: training.optimizer.nesterov: found true",
                "true only where training.optimizer.name is sgd, with a momentum above 0"
            ),
            (
                "training: {schedule: {name: step}}", "1: training.schedule.milestones: found []",
                "at least one epoch where training.schedule.name is step"
            ),
            (
                "training: {schedule: {minimum_rate: 0.2}}", "1: training.schedule.minimum_rate: found 0.2",
                "at most training.optimizer.rate, 0.1"
            ),
            (
                "data: {dataset: mnist, resize: 32}", "1: data.resize: found 32",
                "null where data.dataset is not folder or tiny-imagenet"
            ),
            (
                "data: {crop: 32}", "1: data.crop: found 32", "null where data.dataset is not folder or tiny-imagenet"
            ),
            (
                "data: {dataset: cifar10, resize_mode: squash}", "1: data.resize_mode: found squash",
                "null where data.dataset is not folder or tiny-imagenet"
            ),
            (
                "data: {augmentation: [flip, random-resized-crop, crop]}",
                "1: data.augmentation: found [flip, random-resized-crop, crop]",
                "crop or random-resized-crop, which put the window each its own way"
            ),
            (
                "data: {dataset: synthetic, corrupt: skip}", "1: data.corrupt: found skip",
                "refuse where data.dataset is not folder or tiny-imagenet"
            ),
            (
                "data: {dataset: folder, resize: 128, crop: 224}", "1: data.crop: found 224",
                "at most data.resize, 128"
            ),
            (
                "{data: {extra: a.pack, extra_share: 0.1}, training: {global_batch: 4}}",
                "1: data.extra_share: found 0.1",
                "a share that leaves at least one image of each kind in training.global_batch, 4"
            ),
            (
                "distributed: {error_feedback: true}", "1: distributed.error_feedback: found true",
                "false where distributed.wire is float32, which leaves nothing out"
            ),
            (
                "distributed: {wire: int8, deterministic_shards: 4}", "1: distributed.wire: found int8",
                "float32 where there are distributed.deterministic_shards, whose sums are exact"
            ),
        ])
    func combinations(yaml: String, found: String, allowed: String) {
        #expect(problems(yaml) == ["run.yaml:\(found); allowed: \(allowed)"])
    }

    @Test("Keys of experts are no mistake in a dense network, nor noise beside the entropy loss")
    func noMistake() {
        #expect(problems("moe: {kind: none, experts: 8, top_k: 2, placement: []}", "moe.noise=0.1").isEmpty)
        #expect(problems("moe: {kind: none, capacity: 1.5}").isEmpty)
        #expect(problems("moe: {kind: conv, capacity: 1.5, balance: {loss: switch}}").isEmpty)
        #expect(problems("attack: {name: fgsm, steps: 0, step_size: 0}").isEmpty)
    }

    @Test(
        "The nearest spelling is offered, and none where nothing is near",
        arguments: [
            ("moe.expert=8", "moe.experts"), ("moe.epxerts=8", "moe.experts"), ("experts=8", "moe.experts"),
            ("mo.experts=8", "moe"), ("training.stepsize=1", "attack.step_size"),
            ("training.momentum=0.5", "training.optimizer.momentum"), ("topk=2", "moe.top_k"),
            ("attack.stepSize=1", "attack.step_size"),
            ("model.architecture=resnet43", "resnet34"), ("moe.balance.loss=Entropy", "entropy"),
            ("distributed.threads=atuo", "auto"), ("moe.temperature=2", nil), ("training.dropout=6", nil),
            ("data.dataset=imagenet", "folder"), ("data.dataset=svhn", nil), ("lr=1", "training.optimizer.rate"),
            ("attack.epsilon=8", "8/255"), ("moe.placement=layer4", "[layer4]"), ("x=1", nil),
        ] as [(String, String?)])
    func suggestions(override: String, meant: String?) {
        let lines = problems("", override)
        #expect(lines.count == 1)
        if let meant {
            #expect(lines.first?.hasSuffix("; did you mean \(meant)?") == true, "\(lines)")
        } else {
            #expect(lines.first?.contains("did you mean") == false, "\(lines)")
        }
    }

    @Test("A misspelt key in an element of a list is told with the element's own keys")
    func elementKey() {
        let lines = problems("evaluation:\n  attacks:\n    - {steps: 5}\n    - {stepz: 5}")
        #expect(lines.count == 1)
        let start = "run.yaml:4: evaluation.attacks.1.stepz: no such key (found 5); allowed: id,"
        #expect(lines.first?.hasPrefix(start) == true)
        #expect(lines.first?.hasSuffix("did you mean evaluation.attacks.1.steps?") == true)
    }

    @Test("Every mistake is reported, in the order of the layers, and none that only follows from another")
    func all() {
        let lines = problems(
            """
            model:
              architecture: resnet19
            moe:
              experts: many
              top_k: 9
            training:
              epochs: 0
            colour: red
            """, "attack.epsilon=-1", "nothing", "=5", "a..b=1", "moe.placement=[layer4", "evaluation.split=validation")
        let starts = [
            "run.yaml:2: model.architecture: found resnet19", "run.yaml:4: moe.experts: found many",
            "run.yaml:7: training.epochs: found 0", "run.yaml:8: colour: no such key (found red)",
            "command line: attack.epsilon: found -1", "command line: found nothing; allowed: key=value",
            "command line: found =5; allowed: key=value", "command line: found a..b=1; allowed: key=value",
            "command line: moe.placement: found [layer4; allowed: a YAML value (",
            "command line: evaluation.split: found validation",
        ]
        #expect(lines.count == starts.count, "\(lines)")
        for (line, start) in zip(lines, starts) {
            #expect(line.hasPrefix(start), "\(line)")
        }
    }

    @Test("A key that stands twice in a file is named with its section; on the command line the last counts")
    func duplicates() {
        let yaml = """
            moe:
              experts: 4
              balance: {weight: 1, "weight": 2}
              experts: 8
            attack:
              start: none
              random_start: true
            moe.kind: conv
            model: {width: 8}
            model.width: 9
            """
        let lines = problems(yaml, "training.keep=3", "training.keep=4")
        let starts = [
            "run.yaml:2: moe.experts: set more than once (found 4)",
            "run.yaml:3: moe.balance.weight: set more than once (found 1)",
            "run.yaml:7: attack.start: set more than once (found true)",
            "run.yaml:10: model.width: set more than once (found 9)",
        ]
        #expect(lines.count == starts.count, "\(lines)")
        for start in starts {
            #expect(lines.contains { $0.hasPrefix(start) }, "\(start) in \(lines)")
        }
    }

    @Test(
        "A text that is no mapping is refused with its place",
        arguments: [
            ("moe: [1, 2", "run.yaml:"), ("- 1\n- 2", "run.yaml:1: found [1, 2]; allowed: a mapping"),
            ("just words", "run.yaml:1: found just words; allowed: a mapping"),
            ("a: *b", "run.yaml:1: found undefined alias"), ("moe: {}\n---\nmoe: {}", "run.yaml:"),
            ("moe:\n  ? [a]\n  : 1", "run.yaml:2: moe.: found \"\"; allowed: a name as key"),
        ])
    func unreadable(yaml: String, start: String) {
        let lines = problems(yaml)
        #expect(lines.count == 1, "\(lines)")
        #expect(lines.first?.hasPrefix(start) == true, "\(lines)")
    }

    @Test("A text whose aliases stand for more values than memory holds is refused")
    func aliases() {
        var yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...12 {
            yaml += "a\(level): &a\(level) [" + (0..<10).map { _ in "*a\(level - 1)" }.joined(separator: ", ") + "]\n"
        }
        let lines = problems(yaml)
        #expect(lines.first?.contains("found 120 aliases; allowed: at most 32 a text") == true)
        #expect(lines.allSatisfy { $0.count < 300 })
        #expect(problems("evaluation:\n  attacks:\n    - &a {steps: 5}\nattack: *a").isEmpty)
    }

    @Test("An empty file, or one of comments, changes nothing", arguments: ["", "# moe: 4\n", "moe:\n", "---\n"])
    func empty(yaml: String) throws {
        #expect(problems(yaml).isEmpty)
    }

    @Test("The distance of two words counts insertions, deletions, replacements and swaps")
    func distance() {
        #expect(Spelling.distance("experts", "experts") == 0)
        #expect(Spelling.distance("", "abc") == 3)
        #expect(Spelling.distance("abc", "") == 3)
        #expect(Spelling.distance("kitten", "sitting") == 3)
        #expect(Spelling.distance("epxerts", "experts") == 1)
        #expect(Spelling.distance("ca", "abc") == 3)
    }
}
