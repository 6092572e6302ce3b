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

    /// Makes a configuration of defaults.
    package init() {}

    /// Lays layers over the defaults and checks the result.
    /// - Parameter layers: The settings, each above those before it: files first, then the command line.
    /// - Throws: Everything that is wrong in any layer, not only the first.
    package static func resolve(layers: [ConfigurationLayer]) throws(ConfigurationError) -> RunConfiguration {
        try resolve(layers: layers, presets: presets).configuration
    }

    /// The same for one use, whose own rules are checked too, with sentences on keys that were given and have no effect.
    package static func resolveWithWarnings(
        layers: [ConfigurationLayer], for use: Use
    ) throws(ConfigurationError) -> (configuration: RunConfiguration, warnings: [String]) {
        try resolve(layers: layers, presets: presets) { $0.checkRouters(for: use, &$1) }
    }

    /// Returns the configuration as YAML with every default, in the order of the sections, ready to be run again.
    ///
    /// Numbers are printed in the shortest form that reads back as the same number; settings of methods other than its own
    /// are left out.
    package func yaml() -> String { written.block.joined(separator: "\n") + "\n" }

    /// The configuration as one line of JSON with sorted keys: equal configurations have equal text.
    ///
    /// It is what a hash of the configuration is taken of, and it reads back as a `ConfigurationLayer`.
    package var canonicalJSON: String { written.json }

    /// Every key in the order of the sections, with its default, what is allowed and what it means.
    package static var help: [ConfigurationHelp] { help(under: "") }
}

extension RunConfiguration: ConfigurationRoot {
    /// What version 0.1 called keys that belong to one method, and what their names are now.
    static let movedKeys = [
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
        ConfigurationKey("preset", \.preset, "a documented group of settings, below all files"),
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
