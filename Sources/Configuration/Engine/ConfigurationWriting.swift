extension ConfigurationNode {
    /// The value as its author wrote it, for messages, cut after 80 characters: quotes tell a text from a number.
    var found: String {
        var text = flow
        if case .scalar(let quoted, plain: false) = content { text = Self.quoted(quoted) }
        return Self.shortened(text)
    }

    /// A text for messages, cut after 80 characters.
    static func shortened(_ text: String) -> String {
        // Bytes first: counting characters goes through all of the text.
        text.utf8.count > 80 && text.count > 80 ? text.prefix(80) + "…" : text
    }

    /// The value on one line of YAML.
    package var flow: String {
        switch content {
        case .scalar(let text, plain: true): text.isEmpty ? "null" : text
        case .scalar(let text, plain: false): Self.isPlain(text) ? text : Self.quoted(text)
        case .typed(let text): text
        case .sequence(let elements): "[" + elements.map(\.flow).joined(separator: ", ") + "]"
        case .mapping(let pairs): "{" + pairs.map { "\($0.key): \($0.value.flow)" }.joined(separator: ", ") + "}"
        }
    }

    /// The value as YAML lines without indentation: a mapping one key a line, a list of mappings one dash a mapping.
    var block: [String] { lines().map(\.text) }

    /// The lines of ``block``, each with the dotted key of the single value or list on it; nil where more follows.
    func lines(under key: String = "") -> [(text: String, key: String?)] {
        switch content {
        case .mapping(let pairs):
            return pairs.flatMap { name, value in
                let below = ConfigurationKeyPath.join(key, name)
                return value.isBlock
                    ? [("\(name):", nil)] + value.lines(under: below).map { ("  " + $0.text, $0.key) }
                    : [("\(name): \(value.flow)", below)]
            }
        case .sequence(let elements) where isBlock:
            return elements.enumerated().flatMap { index, element in
                element.lines(under: ConfigurationKeyPath.join(key, String(index))).enumerated().map {
                    (($0.offset == 0 ? "- " : "  ") + $0.element.text, $0.element.key)
                }
            }
        case .scalar, .sequence, .typed:
            return [(flow, key)]
        }
    }

    /// The value as JSON with sorted keys and no white space.
    var json: String {
        switch content {
        case .scalar(let text, plain: true): text
        case .scalar(let text, plain: false), .typed(let text): Self.quoted(text)
        case .sequence(let elements): "[" + elements.map(\.json).joined(separator: ",") + "]"
        case .mapping(let pairs):
            "{"
                + pairs.sorted { $0.key < $1.key }.map { "\(Self.quoted($0.key)):\($0.value.json)" }
                .joined(separator: ",") + "}"
        }
    }

    /// Every single value below this one with its dotted key; lists of scalars count as one value.
    func leaves(under key: String = "") -> [(key: String, text: String)] {
        switch content {
        case .mapping(let pairs):
            return pairs.flatMap { $0.value.leaves(under: ConfigurationKeyPath.join(key, $0.key)) }
        case .sequence(let elements) where isBlock:
            return elements.enumerated().flatMap {
                $0.element.leaves(under: ConfigurationKeyPath.join(key, String($0.offset)))
            }
        case .scalar, .sequence, .typed:
            return [(key, flow)]
        }
    }

    private var isBlock: Bool {
        switch content {
        case .mapping: true
        case .sequence(let elements): elements.contains(where: \.isMapping)
        case .scalar, .typed: false
        }
    }

    /// Whether a string needs no quotes in YAML; narrower than YAML's own rule.
    private static func isPlain(_ text: String) -> Bool {
        guard let first = text.first, !ConfigurationNode.plain(text).isNull else { return false }
        func isWordLike(_ character: Character) -> Bool {
            character.isASCII && (character.isLetter || character.isNumber || "./$_".contains(character))
        }
        return isWordLike(first) && text.allSatisfy { isWordLike($0) || "+-".contains($0) }
    }

    /// Quotes a string so that both YAML and JSON read it back: control characters and YAML's line breaks are escaped.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22, 0x5C:
                result += "\\"
                result.unicodeScalars.append(scalar)
            case ..<0x20, 0x7F...0x9F, 0x2028, 0x2029, 0xFEFF:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default:
                result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
