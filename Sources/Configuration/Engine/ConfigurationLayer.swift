import Files
import Yams

/// One source of settings: a YAML text, or one `key=value` of the command line.
///
/// Making a layer never fails. What is wrong with its text is reported by `ConfigurationRoot.resolve`,
/// together with what is wrong with all others. Texts come from strangers: their length, their values, and the depth of
/// keys are bounded, so that reading them takes no more than a second or two.
package struct ConfigurationLayer: Sendable {
    /// Bytes of a text; a configuration with every key has some 8000.
    static let largestText = 1 << 18
    /// Aliases in a text.
    ///
    /// Where they are within each other, and the whole is a key, the parser goes through all that they
    /// stand for, which is at most e^(n/e) times the text for n of them.
    private static let mostAliases = 32
    /// Keys that stand twice which are told one by one.
    private static let toldDuplicates = 10

    /// The settings; nil where there are none.
    let root: ConfigurationNode?
    /// What is wrong with the text itself.
    let issues: [ConfigurationIssue]
    /// Who gave the settings.
    let giver: Giver

    /// Who gives settings: a person is told where they have no effect, the others are not.
    package enum Giver: Sendable {
        /// A person, in a file.
        case file
        /// A person, on the command line.
        case commandLine
        /// A documented group of settings, or an earlier run.
        case program
    }

    private init(_ root: ConfigurationNode?, _ issues: [ConfigurationIssue], _ giver: Giver = .file) {
        self.root = root
        self.issues = issues
        self.giver = giver
    }

    /// Makes a layer of a documented group of settings.
    static func preset(_ name: String, yaml: String) -> ConfigurationLayer {
        ConfigurationLayer(yaml: yaml, origin: "preset \(name)", giver: .program)
    }

    /// Makes a layer of a YAML text, whose top level is a mapping.
    /// - Parameters:
    ///   - yaml: The text; JSON is YAML too.
    ///   - origin: Where the text is from, such as a file's name; messages add the line to it, if a person wrote it.
    ///   - giver: Who wrote it.
    package init(yaml: String, origin: String, giver: Giver = .file) {
        func place(_ line: Int?) -> String {
            giver == .program ? origin : line.map { "\(origin):\($0)" } ?? origin
        }
        if let issue = Self.tooLarge(yaml, origin: origin) {
            self.init(nil, [issue])
            return
        }
        var conversion = ConfigurationNode.Conversion(place: place)
        do {
            let root = try Self.compose(yaml).map { ConfigurationNode($0, &conversion) }
            if let root, !root.isMapping, !root.isNull {
                conversion.issues.append(
                    .unreadable("found \(root.found)", allowed: "a mapping of keys to values", origin: root.origin))
            }
            self.init(root.flatMap { $0.isMapping ? $0 : nil }, conversion.issues, giver)
        } catch {
            let (problem, line) = Self.reason(error)
            self.init(nil, [.unreadable(problem, allowed: "valid YAML", origin: place(line))], giver)
        }
    }

    /// Makes a layer of a YAML file.
    /// - Parameter path: The file; its name as given is the origin.
    package init(file path: String) {
        func refused(_ found: String) -> ConfigurationLayer {
            ConfigurationLayer(nil, [.unreadable("found \(found)", allowed: "a YAML file", origin: path)])
        }
        guard let bytes = try? FileSystem.beginning(of: path, atMost: Self.largestText + 1) else {
            self = refused("no file that can be read")
            return
        }
        if bytes.count > Self.largestText {
            self.init(nil, [.tooLong("more than \(Self.largestText) bytes", origin: path)])
        } else if let text = String(validating: bytes, as: UTF8.self) {
            self.init(yaml: text, origin: path)
        } else {
            self = refused("text that is not UTF-8")
        }
    }

    /// Makes a layer of a command line's `a.b.c=value`.
    ///
    /// For a key that holds a text the value is that text, whatever it looks like; for all others it is a YAML scalar or a
    /// flow list or mapping: `moe.placement=[layer3, layer4]`. A component may be the index of a list's element; one past
    /// the last adds an element. An empty value is null.
    /// - Parameters:
    ///   - override: The argument.
    ///   - origin: Where it is from.
    package init(override: String, origin: String = "command line") {
        let sides = override.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let names = sides[0].split(separator: ".", omittingEmptySubsequences: false)
        if sides.count == 2,
            let issue = Self.tooLarge(override, origin: origin)
                ?? ConfigurationKeyPath.tooLarge(String(sides[0]), origin: origin)
        {
            self.init(nil, [issue])
            return
        }
        guard sides.count == 2, !names.contains("") else {
            self.init(
                nil,
                [
                    .unreadable(
                        "found \(ConfigurationNode.shortened(override))", allowed: "key=value, such as moe.experts=8",
                        origin: origin)
                ], .commandLine)
            return
        }
        let value = ConfigurationNode(content: .typed(String(sides[1])), origin: origin)
        self.init(value.nested(under: names), [], .commandLine)
    }

    /// Reads as YAML what was typed on a command line.
    static func parsed(
        _ text: String, key: String, origin: String
    ) -> (node: ConfigurationNode?, issues: [ConfigurationIssue]) {
        var conversion = ConfigurationNode.Conversion(place: { _ in origin })
        do {
            let node = try Yams.compose(yaml: text).map { ConfigurationNode($0, key: key, &conversion) }
            return (node ?? ConfigurationNode(content: .scalar("", plain: true), origin: origin), conversion.issues)
        } catch {
            let allowed = "a YAML value (\(reason(error).problem))"
            return (nil, [.value(key, found: ConfigurationNode.shortened(text), allowed: allowed, origin: origin)])
        }
    }

    /// What is wrong with a text that would take too long to parse.
    private static func tooLarge(_ text: String, origin: String) -> ConfigurationIssue? {
        let length = text.utf8.count
        guard length <= largestText else { return .tooLong("\(length) bytes", origin: origin) }
        let (anchors, aliases) = (references(UInt8(ascii: "&"), in: text), references(UInt8(ascii: "*"), in: text))
        guard anchors > 0, aliases > mostAliases else { return nil }
        return .unreadable("found \(aliases) aliases", allowed: "at most \(mostAliases) a text", origin: origin)
    }

    /// How often a mark of YAML stands before a name, where a value may begin; comments and texts are not told apart.
    private static func references(_ mark: UInt8, in text: String) -> Int {
        var count = 0
        var before = UInt8(ascii: " ")
        var beforeThat = before
        for byte in text.utf8 {
            if before == mark, " \t\n\r,[]{}:-?!".utf8.contains(beforeThat), !" \t\n\r,[]{}".utf8.contains(byte) {
                count += 1
            }
            (beforeThat, before) = (before, byte)
        }
        return count
    }

    /// Parses a text in which keys may stand twice.
    ///
    /// The parser refuses such a text without saying which section the key is in. So the key is marked in the text
    /// and the text parsed again, until the tree can tell where the marked keys are; of many, where the first ones are.
    private static func compose(_ yaml: String) throws -> Yams.Node? {
        var text = yaml
        for _ in 0..<toldDuplicates {
            do {
                return try Yams.compose(yaml: text)
            } catch YamlError.duplicatedKeysInMapping(_, let context) {
                var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
                    .map(Array.init)
                let (line, column) = (context.mark.line - 1, context.mark.column - 1)
                guard lines.indices.contains(line), (0...lines[line].count).contains(column) else { break }
                lines[line].insert(contentsOf: ConfigurationNode.duplicateMark.unicodeScalars, at: column)
                text = String(String.UnicodeScalarView(lines.joined(separator: "\n".unicodeScalars)))
            }
        }
        return try Yams.compose(yaml: text)
    }

    private static func reason(_ error: any Error) -> (problem: String, line: Int?) {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            (problem, mark.line)
        case .duplicatedKeysInMapping(let names, let context):
            ("the keys \(ConfigurationNode.shortened(names.joined(separator: ", "))) more than once", context.mark.line)
        case .reader(let problem, _, _, _):
            (problem, nil)
        default:
            ("\(error)", nil)
        }
    }
}
