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
        try resolve(layers: layers, presets: presets)
    }

    /// Lays a preset, if the layers name one, and the layers over the defaults.
    static func resolve(
        layers: [ConfigurationLayer], presets: [String: ConfigurationLayer]
    ) throws(ConfigurationError) -> RunConfiguration {
        let (named, naming) = laid(layers)
        var (configuration, reader) = (named, naming)
        if let name = named.preset {
            if let preset = presets[name] {
                (configuration, reader) = laid([preset] + layers)
            } else {
                let names = presets.keys.sorted() + ["null"]
                let place = ConfigurationPlace(key: "preset", allowed: names.joined(separator: ", "))
                var node = ConfigurationNode.plain(name)
                node.origin = reader.origins["preset"] ?? ""
                reader.reject(node, at: place, suggestion: Spelling.nearest(to: name, among: presets.keys.sorted()))
            }
        }
        configuration.check(&reader)
        guard reader.issues.isEmpty else { throw ConfigurationError(issues: reader.issues) }
        return configuration
    }

    private static func laid(_ layers: [ConfigurationLayer]) -> (RunConfiguration, ConfigurationReader) {
        var configuration = RunConfiguration()
        var reader = ConfigurationReader()
        for layer in layers {
            reader.apply(layer, to: &configuration)
        }
        return (configuration, reader)
    }

    /// Every key in the order of the sections, with its default, what is allowed and what it means.
    package static var help: [ConfigurationHelp] { help(under: "") }
}

extension RunConfiguration: ConfigurationSection {
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
