/// A type that a key of the configuration can have.
protocol ConfigurationValue: Sendable, Equatable {
    /// What may stand for such a value, in words.
    /// - Parameter bound: A further condition in words, or an empty text.
    static func expectation(_ bound: String) -> String

    /// Reads a value; lists and sections are laid over the present value.
    /// - Returns: The value, or nil where the node is none, which the reader has then been told.
    static func read(
        _ node: ConfigurationNode, over current: Self?, at place: ConfigurationPlace,
        _ reader: inout ConfigurationReader
    ) -> Self?

    /// Whether what is typed on a command line is the value itself rather than YAML.
    static var isText: Bool { get }

    /// The value as it is written.
    var written: ConfigurationNode { get }

    /// The dotted names of a key of this type and of all below it.
    static func keyNames(under key: String) -> [String]

    /// The words that may stand for a value; empty where they cannot be counted.
    static var words: [String] { get }

    /// What there is to know of the keys below a key of this type; empty for single values.
    static func help(under key: String) -> [ConfigurationHelp]

    /// What there is to know of the keys of each element; empty where this is no list of sections.
    static func elementHelp(under key: String) -> [ConfigurationHelp]

    /// What is below a key of this value and means nothing beside others.
    func idle(under key: String) -> [IdleKey]
}

extension ConfigurationValue {
    static var isText: Bool { false }

    static func keyNames(under key: String) -> [String] { [key] }

    static var words: [String] { [] }

    static func help(under key: String) -> [ConfigurationHelp] { [] }

    static func elementHelp(under key: String) -> [ConfigurationHelp] { [] }

    func idle(under key: String) -> [IdleKey] { [] }
}

/// A value that is written as a single word or number.
protocol ScalarValue: ConfigurationValue {
    /// Reads the text; `plain` where it stands without quotes. Null never comes here.
    init?(text: String, plain: Bool)

    /// What such a value is, in words.
    static var noun: String { get }

    /// What other programs call a value, and the word here.
    static var otherWords: [String: String] { get }
}

extension ScalarValue {
    static var otherWords: [String: String] { [:] }

    static func expectation(_ bound: String) -> String { bound.isEmpty ? noun : "\(noun), \(bound)" }

    static func read(
        _ node: ConfigurationNode, over current: Self?, at place: ConfigurationPlace,
        _ reader: inout ConfigurationReader
    ) -> Self? {
        let (text, plain): (String, Bool)
        switch node.content {
        case .scalar(let own, plain: let isPlain): (text, plain) = (own, isPlain)
        case .typed(let own): (text, plain) = (own, false)
        case .sequence, .mapping:
            reader.reject(node, at: place)
            return nil
        }
        guard !node.isNull, let value = Self(text: text, plain: plain) else {
            reader.reject(
                node, at: place, suggestion: otherWords[text.lowercased()] ?? Spelling.nearest(to: text, among: words))
            return nil
        }
        reader.note(spelling: text, of: place.key)
        return value
    }
}

extension Int: ScalarValue {
    static var noun: String { "an integer" }
    var written: ConfigurationNode { .plain(String(self)) }

    init?(text: String, plain: Bool) {
        guard plain, let value = Int(text) else { return nil }
        self = value
    }
}

extension UInt64: ScalarValue {
    static var noun: String { "an integer from 0 to \(UInt64.max)" }
    var written: ConfigurationNode { .plain(String(self)) }

    init?(text: String, plain: Bool) {
        guard plain, let value = UInt64(text) else { return nil }
        self = value
    }
}

extension Bool: ScalarValue {
    static var noun: String { words.joined(separator: " or ") }
    static var words: [String] { ["true", "false"] }
    var written: ConfigurationNode { .plain(String(self)) }

    init?(text: String, plain: Bool) {
        guard plain, let value = Bool(text) else { return nil }
        self = value
    }
}

extension Double: ScalarValue {
    static var noun: String { "a number or a fraction such as 8/255" }

    /// The shortest text that reads back as the same number, without a fraction where it is whole.
    var written: ConfigurationNode {
        .plain(self == rounded() && magnitude < 1e15 ? String(Int64(self)) : description)
    }

    init?(text: String, plain: Bool) {
        guard plain else { return nil }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        var numbers: [Double] = []
        for part in parts {
            // Swift reads words such as "infinity" and hexadecimal numbers too, which nobody means here.
            guard part.allSatisfy({ $0.isASCII && ($0.isNumber || "+-.eE".contains($0)) }), let number = Double(part)
            else { return nil }
            numbers.append(number)
        }
        let value = numbers.count == 2 ? numbers[0] / numbers[1] : numbers[0]
        guard value.isFinite else { return nil }
        self = value
    }
}

extension String: ScalarValue {
    static var isText: Bool { true }
    static var noun: String { "a text" }
    var written: ConfigurationNode { .text(self) }

    init?(text: String, plain: Bool) {
        self = text
    }
}

/// A value that is one of a few words.
///
/// A word that this version does not implement is no case, so that it cannot be asked for.
protocol ConfigurationChoice: ScalarValue, RawRepresentable, CaseIterable where RawValue == String {}

extension ConfigurationChoice {
    static var noun: String { words.joined(separator: ", ") }
    static var words: [String] { allCases.map(\.rawValue) }
    var written: ConfigurationNode { .text(rawValue) }

    init?(text: String, plain: Bool) {
        self.init(rawValue: text)
    }
}

extension Optional: ConfigurationValue where Wrapped: ConfigurationValue {
    var written: ConfigurationNode { map(\.written) ?? .null }

    static var isText: Bool { Wrapped.isText }

    static func expectation(_ bound: String) -> String { Wrapped.expectation(bound) + "; or null" }

    static func read(
        _ node: ConfigurationNode, over current: Self?, at place: ConfigurationPlace,
        _ reader: inout ConfigurationReader
    ) -> Self? {
        if node.isNull { return .some(nil) }
        return Wrapped.read(node, over: current ?? nil, at: place, &reader).map(Optional.some)
    }

    static func keyNames(under key: String) -> [String] { Wrapped.keyNames(under: key) }

    static var words: [String] { Wrapped.words.isEmpty ? [] : Wrapped.words + ["null"] }

    static func elementHelp(under key: String) -> [ConfigurationHelp] { Wrapped.elementHelp(under: key) }

    func idle(under key: String) -> [IdleKey] { map { $0.idle(under: key) } ?? [] }
}

extension Array: ConfigurationValue where Element: ConfigurationValue {
    var written: ConfigurationNode { ConfigurationNode(content: .sequence(map(\.written))) }

    static func expectation(_ bound: String) -> String { "a list of: " + Element.expectation(bound) }

    static func elementHelp(under key: String) -> [ConfigurationHelp] {
        Element.help(under: ConfigurationKeyPath.join(key, "N"))
    }

    func idle(under key: String) -> [IdleKey] {
        enumerated().flatMap { $0.element.idle(under: ConfigurationKeyPath.join(key, String($0.offset))) }
    }

    /// Reads a list, or lays a mapping whose keys are indices over the present one; one past the last adds an element.
    static func read(
        _ node: ConfigurationNode, over current: Self?, at place: ConfigurationPlace,
        _ reader: inout ConfigurationReader
    ) -> Self? {
        func element(_ index: String, allowed: String = Element.expectation("")) -> ConfigurationPlace {
            ConfigurationPlace(key: ConfigurationKeyPath.join(place.key, index), allowed: allowed)
        }
        switch node.content {
        case .sequence(let nodes):
            reader.forget(elementsOf: place.key)
            let read = nodes.enumerated().map {
                Element.read($0.element, over: nil, at: element(String($0.offset)), &reader)
            }
            let list = read.compactMap { $0 }
            if list.count < read.count { reader.failed.insert(place.key) }
            return list.count == read.count ? list : nil
        case .mapping(let pairs):
            var list = current ?? []
            for (name, value) in pairs {
                guard let index = Int(name), (0...list.count).contains(index) else {
                    reader.reject(value, at: element(name, allowed: "an index from 0 to \(list.count) in the key"))
                    continue
                }
                let old = index < list.count ? list[index] : nil
                let here = element(name)
                guard let value = reader.parsed(value, at: here, isText: Element.isText),
                    let new = Element.read(value, over: old, at: here, &reader)
                else { continue }
                reader.note(here.key, value)
                list.replaceSubrange(index..<Swift.min(index + 1, list.count), with: [new])
            }
            return list
        case .scalar(let text, plain: _):
            reader.reject(node, at: place, suggestion: node.isNull ? nil : "[\(text)]")
            return nil
        case .typed:
            reader.reject(node, at: place)
            return nil
        }
    }
}
