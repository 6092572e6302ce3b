import Attacks

/// Everything that decides what a run does, typed and checked.
///
/// A value made by `init()` has every default. One made by `resolve(layers:)` has passed every check that needs no
/// model, data or ranks. All ranks resolve the same texts, and so hold equal values.
package struct RunConfiguration: Sendable, Equatable {
    /// The name of a documented group of settings that lies below all files, or nil.
    package var preset: String?
    /// The network.
    package var model = Model()
    /// Its experts and routers.
    package var moe = MixtureOfExperts()
    /// How it is trained.
    package var training = Training()
    /// The attack of training.
    package var attack = Attack()
    /// How it is evaluated.
    package var evaluation = Evaluation()
    /// The images.
    package var data = DataSource()
    /// How the ranks work together.
    package var distributed = Distributed()
    /// How products are computed.
    package var kernels = Kernels()
    /// The run directory.
    package var output = Output()
    /// How fractions are written.
    var spellings = NumberSpellings(usual: ["epsilon": "8/255", "step_size": "2/255"])

    /// Makes a configuration of defaults.
    package init() {}

    /// Lays layers over the defaults and checks the result.
    /// - Parameter layers: The settings, each above those before it: files first, then the command line.
    /// - Throws: Everything that is wrong in any layer, not only the first.
    package static func resolve(layers: [ConfigurationLayer]) throws(ConfigurationError) -> RunConfiguration {
        try resolve(layers: layers, presets: presets).configuration
    }

    /// The same for one use, whose own rules are checked too, with what there is to say of the configuration.
    package static func resolveWithWarnings(
        layers: [ConfigurationLayer], for use: Use
    ) throws(ConfigurationError) -> ResolvedConfiguration<RunConfiguration> {
        var resolved = try resolve(layers: layers, presets: presets) {
            $0.checkRouters(for: use, &$1)
            $0.checkAttacks(for: use, &$1)
            if use != .evaluation { $0.checkProcessor(&$1) }
        }
        if use == .training { resolved.warnings += resolved.configuration.trainingWarnings }
        return resolved
    }

    /// Returns the configuration as YAML with every default, in the order of the sections, ready to be run again.
    ///
    /// Fractions are printed as they were written, other numbers in the shortest form that reads back as the same number;
    /// settings of methods other than its own are left out.
    package func yaml() -> String { written.spelled(spellings).block.joined(separator: "\n") + "\n" }

    /// Images of a whole batch that are those of `data.extra`.
    package var extraOfBatch: Int { Int((Double(training.globalBatch) * data.extraShare).rounded()) }

    /// A number of the configuration as it was written.
    func text(of number: Double, at key: String) -> String {
        spellings.text(of: key, number.written.flow) ?? number.written.flow
    }

    /// The configuration as one line of JSON with sorted keys: equal configurations have equal text.
    ///
    /// It is what a hash of the configuration is taken of, and it reads back as a `ConfigurationLayer`.
    package var canonicalJSON: String { written.json }
}

extension RunConfiguration: ConfigurationRoot {
    /// What version 0.1 called keys that belong to one method, and what other programs call keys; and the names here.
    static let movedKeys = [
        "lr": "training.optimizer.rate",
        "learning_rate": "training.optimizer.rate",
        "optimizer": "training.optimizer.name",
        "weight_decay": "training.optimizer.weight_decay",
        "batch_size": "training.global_batch",
        "data.root": "data.path",
        "data_dir": "data.path",
        "dataset": "data.dataset",
        "arch": "model.architecture",
        "eps": "attack.epsilon",
        "epsilon": "attack.epsilon",
        "steps": "attack.steps",
        "workers": "distributed.threads",
        "training.replays": "training.free.replays",
        "training.replay_balance_factor": "training.free.replay_balance_factor",
        "training.filter_share": "training.scores.filter_share",
        "training.beta": "training.trades.beta or training.advmoe.beta",
        "training.alpha": "training.advmoe.alpha",
        "training.order": "training.advmoe.order",
        "training.router_objective": "training.advmoe.router_objective",
        "training.shared_batch": "training.advmoe.shared_batch",
        "training.shared_attack": "training.advmoe.shared_attack",
        "training.statistics_updates": "training.advmoe.statistics_updates",
        "training.router_optimizer": "training.advmoe.router_optimizer",
        "training.router_schedule": "training.advmoe.router_schedule",
    ]

    static let keys: [ConfigurationKey<RunConfiguration>] = [
        ConfigurationKey(
            "preset", \.preset, "a documented group of settings, below all files",
            .ifGiven(.name(of: presets.keys.sorted()))),
        ConfigurationKey("model", \.model, "the network"),
        ConfigurationKey("moe", \.moe, "experts and routers"),
        ConfigurationKey("training", \.training, "training"),
        ConfigurationKey("attack", \.attack, "the attack of training"),
        ConfigurationKey("evaluation", \.evaluation, "evaluation"),
        ConfigurationKey("data", \.data, "the images"),
        ConfigurationKey("distributed", \.distributed, "how the ranks work together"),
        ConfigurationKey("kernels", \.kernels, "how products are computed"),
        ConfigurationKey("output", \.output, "the run directory"),
    ]
}
