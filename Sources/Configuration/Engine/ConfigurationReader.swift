/// What is known while layers are laid over a configuration: where each value came from, and what is wrong.
struct ConfigurationReader {
    /// The mistakes so far.
    var issues: [ConfigurationIssue] = []
    /// The place of the last value of each dotted key; keys that still have their defaults are absent.
    var origins: [String: String] = [:]
    /// The keys whose value could not be taken, so that no rule is applied to what stands there instead.
    var failed: Set<String> = []
    /// The keys that a person gave, in a file or on the command line: what presets and earlier runs set is not among them.
    private(set) var given: Set<String> = []
    /// The keys that the command line gave more than once.
    private(set) var repeated: Set<String> = []
    /// How fractions such as 8/255 were written, by key.
    private(set) var spellings: [String: String] = [:]
    /// The keys that the present layer has set.
    private var set: Set<String> = []
    /// The keys that the command line has set.
    private var typed: Set<String> = []
    private var giver = ConfigurationLayer.Giver.program
    private let keyNames: [String]
    private let movedKeys: [String: String]

    /// Begins to read a configuration.
    init<Root: ConfigurationRoot>(_ root: Root.Type) {
        keyNames = root.keyNames(under: "").filter { !$0.isEmpty }
        movedKeys = root.movedKeys
    }

    /// Lays one layer over a configuration.
    mutating func apply<Root: ConfigurationRoot>(_ layer: ConfigurationLayer, to configuration: inout Root) {
        issues += layer.issues
        set = []
        giver = layer.giver
        guard let root = layer.root else { return }
        let place = ConfigurationPlace(key: "", allowed: Root.expectation(""))
        configuration = Root.read(root, over: configuration, at: place, &self) ?? configuration
    }

    /// Notes that a key has its value now; a second time in one layer is a mistake.
    mutating func note(_ key: String, _ node: ConfigurationNode) {
        // A mapping over a list or a section sets only what is named in it, and that is noted by itself.
        guard !node.isMapping else { return }
        origins[key] = node.origin
        if giver != .program { given.insert(key) }
        if giver == .commandLine, !typed.insert(key).inserted { repeated.insert(key) }
        if !set.insert(key).inserted {
            issues.append(.duplicate(key, found: node.found, origin: node.origin))
        }
    }

    /// Keeps how a number was written, if it is a fraction.
    mutating func note(spelling text: String, of key: String) {
        spellings[key] = text.contains("/") ? text : nil
    }

    /// Reads what was typed on a command line as YAML, unless it is wanted as it stands; other values are what they are.
    /// - Returns: Nil where it is no YAML, which is noted.
    mutating func parsed(_ node: ConfigurationNode, at place: ConfigurationPlace, isText: Bool) -> ConfigurationNode? {
        guard case .typed(let text) = node.content, !isText else { return node }
        let (value, found) = ConfigurationLayer.parsed(text, key: place.key, origin: node.origin)
        issues += found
        if value == nil { failed.insert(place.key) }
        return value
    }

    /// Forgets where the elements of a list came from, because all of it is replaced.
    mutating func forget(elementsOf key: String) {
        origins = origins.filter { !$0.key.hasPrefix(key + ".") }
        spellings = spellings.filter { !$0.key.hasPrefix(key + ".") }
    }

    /// Reports a value that cannot stand at its place.
    mutating func reject(_ node: ConfigurationNode, at place: ConfigurationPlace, suggestion: String? = nil) {
        failed.insert(place.key)
        issues.append(
            .value(
                place.key, found: node.found, allowed: place.allowed, origin: node.origin, suggestion: suggestion))
    }

    /// Reports a key that does not exist in its section.
    mutating func rejectKey(_ key: String, _ node: ConfigurationNode, in section: [String], prefix: String) {
        let near = section.map { ConfigurationKeyPath.join(prefix, $0) } + keyNames
        // Nobody reads hints on what is told no more, and each takes a comparison with every key.
        let isTold = issues.count < ConfigurationError.told
        let suggestion = movedKeys[key] ?? (isTold ? Spelling.nearestKey(to: key, among: near) : nil)
        issues.append(
            ConfigurationIssue(
                kind: .unknownKey, key: key, found: node.found, allowed: section.joined(separator: ", "),
                origin: node.origin, suggestion: suggestion))
    }
}

/// A place that a value is read for.
struct ConfigurationPlace {
    /// The dotted key; empty at the top.
    var key: String
    /// What may stand there, in words.
    var allowed: String
}
