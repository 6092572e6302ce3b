import ArgumentParser
import Configuration

/// What a shell offers where a setting, `key=value`, is typed.
///
/// Keys, and the words that may stand behind them, are those of the configuration's own tables.
enum SettingCompletion {
    static let kind = CompletionKind.custom { words, index, typed in candidates(words, at: index, typed: typed) }

    /// Returns what may stand at a word of a command line.
    /// - Parameters:
    ///   - words: The line's words. bash takes `=` for a word of its own.
    ///   - index: Which of them is completed.
    ///   - typed: What stands of it before the cursor.
    static func candidates(_ words: [String], at index: Int, typed: String) -> [String] {
        func word(_ place: Int) -> String? { words.indices.contains(place) ? words[place] : nil }
        if typed == "=", let key = word(index - 1) { return values(of: key) }
        if word(index - 1) == "=", let key = word(index - 2) { return values(of: key) }
        if let sign = typed.firstIndex(of: "=") {
            let key = String(typed[..<sign])
            return values(of: key).map { "\(key)=\($0)" }
        }
        let keys = keys(beginningWith: typed)
        guard keys.count == 1, let key = keys.first else { return keys.map { "\($0)=" } }
        // More than one candidate, all with the same beginning, keeps shells from putting a space behind the sign.
        return ["\(key)="] + values(of: key).map { "\(key)=\($0)" }
    }

    private static func keys(beginningWith beginning: String) -> [String] {
        let keys = RunConfiguration.help.flatMap { help in
            [help.key] + elementKeys(of: help, beginningWith: beginning)
        }.filter { $0.hasPrefix(beginning) }
        return keys.contains(beginning) ? [beginning] : keys
    }

    /// The keys of a list's element, the one that is typed or else the first.
    private static func elementKeys(of list: ConfigurationHelp, beginningWith beginning: String) -> [String] {
        guard !list.elements.isEmpty, beginning.hasPrefix("\(list.key).") else { return [] }
        let index = beginning.dropFirst(list.key.count + 1).prefix { $0.isASCII && $0.isNumber }
        return list.elements.flatMap(\.leaves).map { help in
            "\(list.key).\(index.isEmpty ? "0" : index)\(help.key.dropFirst("\(list.key).N".count))"
        }
    }

    /// The words that may stand behind a key; of those that take others, the default.
    private static func values(of key: String) -> [String] {
        guard let help = RunConfiguration.help(for: key), help.below.isEmpty else { return [] }
        if !help.words.isEmpty { return help.words }
        return help.normal == "null" ? [] : [help.normal]
    }
}

extension String {
    /// The script by which bash completes, such that a setting's key is followed by its value at once.
    ///
    /// The parser's own function offers words as names of files, of which bash marks the `=`, and ends each with a space; behind
    /// `help` it offers none.
    var asBashCompletion: String {
        """
        \(self)
        _robustmoe_settings() {
            _robustmoe "$@"
            if [[ "${COMPREPLY[0]-}" = *= || "${COMPREPLY[0]-}" = [a-z]*.*=* ]]; then
                compopt -o nospace +o filenames
            elif [[ "${#COMPREPLY[@]}" -eq 0 && ("${3}" = '=' || "${COMP_WORDS[COMP_CWORD]}" = '=') ]]; then
                compopt -o default
            elif [[ "${COMP_CWORD}" -eq 2 && "${COMP_WORDS[1]}" = help ]]; then
                COMPREPLY+=($(SAP_SHELL=bash "${COMP_WORDS[0]}" ---completion train -- positional@0 1 "${#2}" robustmoe "${2}" |
                    sed 's/=.*//' | uniq))
            fi
        }
        complete -o filenames -F _robustmoe_settings robustmoe

        """
    }
}
