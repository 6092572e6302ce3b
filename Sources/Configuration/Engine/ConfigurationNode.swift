import Yams

/// A YAML value and where it was written.
package struct ConfigurationNode: Sendable {
    enum Content: Sendable {
        /// Text; `plain` where it stands without quotes, and so may be a number, a truth value or null.
        case scalar(String, plain: Bool)
        /// What stands behind the `=` of a command line: a text for keys that hold one, YAML for all others.
        case typed(String)
        case sequence([ConfigurationNode])
        case mapping([(key: String, value: ConfigurationNode)])
    }

    var content: Content
    var origin = ""

    static let null = plain("null")

    /// Returns a scalar without quotes.
    static func plain(_ text: String) -> ConfigurationNode {
        ConfigurationNode(content: .scalar(text, plain: true))
    }

    /// Returns a string.
    static func text(_ text: String) -> ConfigurationNode {
        ConfigurationNode(content: .scalar(text, plain: false))
    }

    var isNull: Bool {
        switch content {
        case .scalar(let text, plain: true): ["", "~", "null", "Null", "NULL"].contains(text)
        case .typed(let text): text.isEmpty
        case .scalar, .sequence, .mapping: false
        }
    }

    var isMapping: Bool {
        if case .mapping = content { true } else { false }
    }

    /// Returns what stands below this mapping at a dotted key, if anything does.
    func value(at key: some StringProtocol) -> ConfigurationNode? {
        guard case .mapping(let pairs) = content else { return nil }
        let names = key.split(separator: ".", maxSplits: 1)
        guard let own = pairs.last(where: { $0.key == names[0] })?.value else { return nil }
        return names.count == 1 ? own : own.value(at: names[1])
    }

    /// Puts the value under a dotted key: `a.b` gives `{a: {b: value}}`.
    func nested(under path: some Sequence<Substring>) -> ConfigurationNode {
        path.reversed().reduce(self) { inner, name in
            ConfigurationNode(content: .mapping([(String(name), inner)]), origin: origin)
        }
    }
}

extension ConfigurationNode {
    /// The mark that `ConfigurationLayer` puts before a key that its mapping holds twice.
    static let duplicateMark: Character = "\u{E000}"

    /// What taking over a text needs and finds.
    struct Conversion {
        /// Gives the place of a line, counted from 1.
        let place: (Int?) -> String
        /// The keys that are no names, or that stand twice in one mapping.
        var issues: [ConfigurationIssue] = []
        /// The values that may still come: a few lines of aliases of aliases could otherwise fill the memory.
        var remaining = Conversion.largestCount

        static let largestCount = 10_000
    }

    /// Takes over a node of the YAML parser; dotted keys become nested mappings.
    /// - Parameters:
    ///   - node: What the parser found.
    ///   - key: The dotted key of the node; empty at the top.
    ///   - conversion: Takes what is wrong.
    init(_ node: Yams.Node, key: String = "", _ conversion: inout Conversion) {
        origin = conversion.place(node.mark?.line)
        content = .scalar("", plain: true)
        conversion.remaining -= 1
        guard conversion.remaining >= 0 else {
            if conversion.remaining == -1 {
                conversion.issues.append(
                    .unreadable(
                        "found too many values", allowed: "at most \(Conversion.largestCount) values a file",
                        origin: origin))
            }
            return
        }
        if let issue = ConfigurationKeyPath.tooLarge(key, origin: origin) {
            conversion.issues.append(issue)
            return
        }
        switch node {
        case .scalar(let scalar):
            content = .scalar(scalar.string, plain: scalar.style == .plain)
        case .sequence(let sequence):
            var elements: [ConfigurationNode] = []
            for (index, element) in sequence.enumerated() where conversion.remaining >= 0 {
                let path = ConfigurationKeyPath.join(key, String(index))
                elements.append(ConfigurationNode(element, key: path, &conversion))
            }
            content = .sequence(elements)
        case .mapping(let mapping):
            var pairs: [(key: String, value: ConfigurationNode)] = []
            for (nameNode, valueNode) in mapping where conversion.remaining >= 0 {
                pairs += Self.pair(nameNode, valueNode, in: key, &conversion)
            }
            content = .mapping(pairs)
        case .alias:
            // The parser puts the value itself in an alias's place.
            break
        }
    }

    private static func pair(
        _ nameNode: Yams.Node, _ valueNode: Yams.Node, in section: String, _ conversion: inout Conversion
    ) -> [(key: String, value: ConfigurationNode)] {
        let marked = nameNode.scalar?.string ?? ""
        let name = String(marked.drop { $0 == duplicateMark })
        let path = ConfigurationKeyPath.join(section, name)
        var value = ConfigurationNode(valueNode, key: path, &conversion)
        value.origin = conversion.place(nameNode.mark?.line)
        // The value has been told to be too deep.
        if ConfigurationKeyPath.tooLarge(path, origin: "") != nil { return [] }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        if parts.contains("") {
            conversion.issues.append(
                .value(path, found: "\"\(name)\"", allowed: "a name as key", origin: value.origin))
        } else if marked != name {
            conversion.issues.append(.duplicate(path, found: value.found, origin: value.origin))
        } else {
            return [(String(parts[0]), value.nested(under: parts.dropFirst()))]
        }
        return []
    }
}

/// Dotted keys as text.
enum ConfigurationKeyPath {
    /// Returns the dotted key of a name in a section; the section is empty at the top.
    static func join(_ section: String, _ name: String) -> String {
        section.isEmpty ? name : section + "." + name
    }

    /// Returns the section that a dotted key is in; empty at the top.
    static func section(of key: String) -> String { key.lastIndex(of: ".").map { String(key[..<$0]) } ?? "" }

    /// Names and indices of a key; the deepest one there is, has four.
    static let largestDepth = 16
    /// Bytes of a key.
    static let largestLength = 256

    /// What is wrong with a key that is longer or deeper than any; whatever walks over values goes as deep as they do.
    static func tooLarge(_ key: String, origin: String) -> ConfigurationIssue? {
        let (length, depth) = (key.utf8.count, key.utf8.count { $0 == UInt8(ascii: ".") } + 1)
        guard length > largestLength || depth > largestDepth else { return nil }
        return .value(
            ConfigurationNode.shortened(key), found: "a key of \(length) bytes and \(depth) names",
            allowed: "at most \(largestLength) bytes and \(largestDepth) names", origin: origin)
    }
}

extension ConfigurationIssue {
    static func value(
        _ key: String, found: String, allowed: String, origin: String, suggestion: String? = nil
    ) -> ConfigurationIssue {
        ConfigurationIssue(
            kind: .value, key: key, found: found, allowed: allowed, origin: origin, suggestion: suggestion)
    }

    static func duplicate(_ key: String, found: String, origin: String) -> ConfigurationIssue {
        ConfigurationIssue(
            kind: .duplicate, key: key, found: found, allowed: "one value a file", origin: origin, suggestion: nil)
    }

    static func tooLong(_ found: String, origin: String) -> ConfigurationIssue {
        .unreadable("found \(found)", allowed: "at most \(ConfigurationLayer.largestText) bytes", origin: origin)
    }

    static func unreadable(_ problem: String, allowed: String, origin: String) -> ConfigurationIssue {
        ConfigurationIssue(
            kind: .unreadable, key: "", found: problem, allowed: allowed, origin: origin, suggestion: nil)
    }
}
