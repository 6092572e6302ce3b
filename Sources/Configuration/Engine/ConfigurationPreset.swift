/// A documented group of settings: parts above each other, each for the configurations that it belongs to.
struct ConfigurationPreset<Root: ConfigurationRoot>: Sendable {
    /// Some of the settings.
    struct Part: Sendable {
        fileprivate let yaml: String
        fileprivate let applies: @Sendable (Root) -> Bool

        /// Makes a part.
        /// - Parameter applies: Whether it belongs to what all parts and everything above the preset come to.
        init(_ yaml: String, where applies: @escaping @Sendable (Root) -> Bool = { _ in true }) {
            self.yaml = yaml
            self.applies = applies
        }
    }

    private let parts: [(layer: ConfigurationLayer, applies: @Sendable (Root) -> Bool)]

    /// Makes a preset; messages tell its name.
    init(_ name: String, _ parts: Part...) {
        self.parts = parts.map { (ConfigurationLayer.preset(name, yaml: $0.yaml), $0.applies) }
    }

    /// All its settings.
    var layers: [ConfigurationLayer] { parts.map(\.layer) }

    /// The settings that belong to a configuration, which has all of them below its own.
    func layers(for whole: Root) -> [ConfigurationLayer] { parts.filter { $0.applies(whole) }.map(\.layer) }
}
