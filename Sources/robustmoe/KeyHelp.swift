import ArgumentParser
import Collectives
import Configuration
import Files
import Runs

/// What `robustmoe help` says of a word that is no subcommand: a key of the configuration, or a section.
enum KeyHelp {
    /// The columns of a terminal as narrow as they come.
    private static let columns = 79

    /// Says what the words mean, if the first one is no subcommand.
    /// - Returns: Whether it did.
    /// - Throws: `ExitCode` with the status of usage errors, where a word is no key.
    static func answer(_ arguments: some Sequence<String>) throws -> Bool {
        let words = arguments.filter { !$0.hasPrefix("-") }
        let commands = RobustMoE.configuration.subcommands.map { $0._commandName }
        guard let first = words.first, !(commands + ["help"]).contains(first) else { return false }
        var texts: [String] = []
        for word in words {
            // A section that bears a subcommand's name is asked for with a dot behind it.
            let key = word.hasSuffix(".") ? String(word.dropLast()) : word
            guard let help = RunConfiguration.help(for: key) else {
                let command = Spelling.nearest(to: key, among: commands)
                let near = RunConfiguration.keysNear(key) + (command.map { [$0] } ?? [])
                let hint = near.isEmpty ? "" : "; did you mean \(near.joined(separator: " or "))?"
                Job.speak(
                    "error: \(word): no subcommand or key of the configuration\(hint) (robustmoe help lists subcommands, "
                        + "robustmoe help train keys)")
                throw ExitCode(ExitStatus.usage.rawValue)
            }
            texts.append(help.below.isEmpty ? text(of: help) : text(ofSection: help))
        }
        Job.speak(texts.joined(separator: "\n\n"), isError: false)
        return true
    }

    /// All keys by section, for lines of so many columns.
    static func allKeys(columns: Int = columns) -> String {
        RunConfiguration.sections.map { section in
            section.below.isEmpty ? entry(section, columns) : text(ofSection: section, columns: columns)
        }.joined(separator: "\n\n")
    }

    private static func text(ofSection section: ConfigurationHelp, columns: Int = columns) -> String {
        (["\(section.key): \(section.summary)"] + section.leaves.map { entry($0, columns) }).joined(separator: "\n")
    }

    private static func entry(_ help: ConfigurationHelp, _ columns: Int) -> String {
        "  \(help.key)=\(help.normal)\n" + wrapped("\(help.summary); \(help.allowed)", columns, indent: 6)
    }

    private static func text(of help: ConfigurationHelp) -> String {
        let section = help.key.split(separator: ".").dropLast().joined(separator: ".")
        let presets = RunConfiguration.presetValues(of: help.key).map { preset, values in
            "\(preset): \(values.joined(separator: ", or "))"
        }
        var rows = [("allowed", help.allowed), ("default", help.normal)]
        if let same = help.sameAs { rows.append(("same as", same)) }
        if let wanted = help.wanted { rows.append(("belongs to", wanted)) }
        if !help.elements.isEmpty {
            rows.append(("elements", "\(help.key).0 and so on; robustmoe help \(help.key).0 lists their keys"))
        }
        if let section = RunConfiguration.help(for: section) {
            rows.append(("section", "\(section.key): \(section.summary)"))
        }
        rows += presets.isEmpty ? [("presets", "none sets it")] : presets.map { ("preset", $0) }
        let lines = rows.map { name, value in
            "  \(name)".padding(12) + wrapped(value, columns, indent: 14).dropFirst(12)
        }
        return wrapped("\(help.key): \(help.summary)", columns, indent: 0) + "\n" + lines.joined(separator: "\n")
    }

    /// Breaks a text at its spaces into indented lines; a word that is longer than a line stays whole.
    private static func wrapped(_ text: String, _ columns: Int, indent: Int) -> String {
        var lines: [String] = [""]
        for word in text.split(separator: " ") {
            let last = lines[lines.count - 1]
            if last.isEmpty {
                lines[lines.count - 1] = String(word)
            } else if indent + last.count + 1 + word.count <= columns {
                lines[lines.count - 1] += " \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines.map { String(repeating: " ", count: indent) + $0 }.joined(separator: "\n")
    }
}

extension String {
    /// The text with spaces behind it up to a width.
    fileprivate func padding(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
