import Files

/// The description of one key of a section, from which reading, writing, help and messages follow.
struct ConfigurationKey<Section>: Sendable {
    /// The name within the section, in snake case.
    let name: String
    /// The name of the key that is set: its own, or that of the key for which this one is another spelling.
    let target: String
    /// What the key means, with its unit.
    let summary: String
    /// What may stand there, in words.
    let allowed: String
    /// Whether what is typed on a command line is the value itself rather than YAML.
    let isText: Bool
    /// Reads a value for the key at a dotted place into a section.
    let read: @Sendable (ConfigurationNode, inout Section, ConfigurationPlace, inout ConfigurationReader) -> Void
    /// Writes the key's value.
    let write: @Sendable (Section) -> ConfigurationNode
    /// The dotted names of the key and of all below it.
    let names: @Sendable (String) -> [String]
    /// What there is to know of the key at a dotted place, and of all below it.
    let help: @Sendable (String) -> ConfigurationHelp
    /// Where the key means something beside the others of its section; nil means always.
    let condition: ConfigurationCondition<Section>?
    /// The key or those below it that mean nothing beside others.
    let idle: @Sendable (Section, String) -> [IdleKey]

    /// Describes a key.
    /// - Parameters:
    ///   - name: The name within the section, in snake case.
    ///   - path: The property that holds the value.
    ///   - summary: What it means, with its unit.
    ///   - bound: Which values of the type are allowed.
    ///   - target: The key for which this one is another spelling, which is then read but never written.
    ///   - condition: Where it means something; a person who gives it elsewhere is warned.
    init<Value: ConfigurationValue>(
        _ name: String, _ path: WritableKeyPath<Section, Value> & Sendable, _ summary: String,
        _ bound: ConfigurationBound<Value> = .any, anotherSpellingOf target: String? = nil,
        onlyWhere condition: ConfigurationCondition<Section>? = nil
    ) where Section: ConfigurationSection {
        // Words that a bound names are all that may stand there.
        let isNamed = bound.words != nil && !Value.words.isEmpty
        let allowed = isNamed ? bound.text : Value.expectation(bound.text)
        self.name = name
        self.target = target ?? name
        self.summary = summary
        self.allowed = allowed
        self.condition = condition
        isText = Value.isText
        idle = { section, key in
            if let condition, !condition.holds(section) {
                let isDefault = section[keyPath: path] == Section()[keyPath: path]
                if isDefault && !condition.hidesKey { return [] }
                return [IdleKey(name: key, wanted: condition.text, isHidden: condition.hidesKey)]
            }
            return section[keyPath: path].idle(under: key)
        }
        read = { node, section, place, reader in
            guard let value = Value.read(node, over: section[keyPath: path], at: place, &reader) else { return }
            guard bound.contains(value) else { return reader.reject(node, at: place) }
            section[keyPath: path] = value
        }
        write = { $0[keyPath: path].written }
        names = { Value.keyNames(under: $0) }
        help = { key in
            let below = Value.help(under: key)
            return ConfigurationHelp(
                key: key, normal: below.isEmpty ? Section()[keyPath: path].written.flow : "", allowed: allowed,
                summary: summary, words: bound.words ?? Value.words, wanted: condition?.text,
                sameAs: target.map { ConfigurationKeyPath.join(ConfigurationKeyPath.section(of: key), $0) },
                below: below, elements: Value.elementHelp(under: key))
        }
    }
}

/// A key that means nothing beside others.
struct IdleKey {
    /// The dotted name.
    let name: String
    /// What it belongs to, in words.
    let wanted: String
    /// Whether it is left out of what is written.
    let isHidden: Bool
}

/// Where a key means something, beside the other keys of its section.
struct ConfigurationCondition<Section>: Sendable {
    /// The condition in words, such as `training.method: free`.
    let text: String
    /// Whether the key is left out of what is written where the condition does not hold.
    let hidesKey: Bool
    let holds: @Sendable (Section) -> Bool

    init(_ text: String, hidesKey: Bool = false, _ holds: @escaping @Sendable (Section) -> Bool) {
        self.text = text
        self.hidesKey = hidesKey
        self.holds = holds
    }

    /// Whether the key is left out of what is written of a section.
    func hides(_ section: Section) -> Bool { hidesKey && !holds(section) }
}

/// A condition on a single value.
struct ConfigurationBound<Value>: Sendable {
    /// The condition in words; empty where there is none.
    let text: String
    let contains: @Sendable (Value) -> Bool
    /// All that may stand there, where a few words say it.
    var words: [String]?

    static var any: ConfigurationBound { ConfigurationBound(text: "") { _ in true } }

    /// Applies the bound to a value that may be null.
    static func ifGiven<Wrapped>(_ bound: ConfigurationBound<Wrapped>) -> ConfigurationBound where Value == Wrapped? {
        ConfigurationBound(
            text: bound.text, contains: { value in value.map(bound.contains) ?? true },
            words: bound.words.map { $0 + ["null"] })
    }

    /// Applies the bound to a value that may be `auto`.
    static func automaticOr<Given>(_ bound: ConfigurationBound<Given>) -> ConfigurationBound
    where Value == Automatic<Given> {
        ConfigurationBound(text: bound.text) { value in
            if case .given(let given) = value { bound.contains(given) } else { true }
        }
    }
}

extension ConfigurationBound where Value: Comparable & Sendable & ConfigurationValue {
    static func atLeast(_ low: Value) -> ConfigurationBound {
        ConfigurationBound(text: "at least \(low.written.flow)") { $0 >= low }
    }

    static func above(_ low: Value) -> ConfigurationBound {
        ConfigurationBound(text: "above \(low.written.flow)") { $0 > low }
    }

    static func above(_ low: Value, atMost high: Value) -> ConfigurationBound {
        ConfigurationBound(text: "above \(low.written.flow), at most \(high.written.flow)") { $0 > low && $0 <= high }
    }

    static func between(_ low: Value, _ high: Value) -> ConfigurationBound {
        ConfigurationBound(text: "above \(low.written.flow), below \(high.written.flow)") { $0 > low && $0 < high }
    }

    static func within(_ range: ClosedRange<Value>) -> ConfigurationBound {
        ConfigurationBound(text: "from \(range.lowerBound.written.flow) to \(range.upperBound.written.flow)") {
            range.contains($0)
        }
    }

    static func within(_ range: Range<Value>) -> ConfigurationBound {
        ConfigurationBound(text: "at least \(range.lowerBound.written.flow), below \(range.upperBound.written.flow)") {
            range.contains($0)
        }
    }
}

extension ConfigurationBound where Value: ConfigurationValue {
    static func oneOf(_ values: [Value]) -> ConfigurationBound {
        let words = values.map(\.written.flow)
        return ConfigurationBound(
            text: words.joined(separator: " or "), contains: { values.contains($0) }, words: words)
    }
}

extension ConfigurationBound where Value == Double {
    static var unit: ConfigurationBound { ConfigurationBound(text: "above 0, at most 1") { $0 > 0 && $0 <= 1 } }
}

extension ConfigurationBound where Value == String {
    static var notEmpty: ConfigurationBound { ConfigurationBound(text: "not empty") { !$0.isEmpty } }

    /// One of a few names, which somebody else checks.
    static func name(of names: [String]) -> ConfigurationBound {
        ConfigurationBound(text: "one of " + names.joined(separator: ", "), contains: { _ in true }, words: names)
    }

    /// The path of a file or directory: the system would take what stands before a NUL for all of it.
    static var path: ConfigurationBound {
        ConfigurationBound(text: "not empty, without NUL") { !$0.isEmpty && !$0.utf8.contains(0) }
    }

    /// The name of a directory within another one.
    static var plainName: ConfigurationBound {
        ConfigurationBound(text: "one plain name: not . or .., without slashes and control characters") {
            FileSystem.isPlainName($0)
        }
    }

    /// A name that may stand in columns and file names.
    static var identifier: ConfigurationBound {
        ConfigurationBound(text: "made of letters, digits, dots, dashes and underscores") { text in
            !text.isEmpty
                && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) }
        }
    }
}

extension ConfigurationBound {
    static func each<Element>(_ bound: ConfigurationBound<Element>) -> ConfigurationBound where Value == [Element] {
        ConfigurationBound(text: bound.text) { $0.allSatisfy(bound.contains) }
    }

    static func distinct<Element: ConfigurationChoice>() -> ConfigurationBound where Value == [Element] {
        ConfigurationBound(text: "each once") { Set($0.map(\.rawValue)).count == $0.count }
    }

    /// A list of so many elements at most, rising within a range.
    static func increasing<Element: Comparable & Sendable & ConfigurationValue>(
        within range: ClosedRange<Element>, atMost most: Int
    ) -> ConfigurationBound where Value == [Element] {
        let bound = ConfigurationBound<Element>.within(range)
        return ConfigurationBound(text: "\(bound.text), each above the one before, at most \(most) of them") { list in
            list.count <= most && list.allSatisfy(bound.contains) && zip(list, list.dropFirst()).allSatisfy { $0 < $1 }
        }
    }
}
