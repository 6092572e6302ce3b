extension String {
    /// The text as a terminal may show it: what would steer the terminal, or let text seem to stand elsewhere than it does,
    /// is shown as `\u{1b}`; line feeds stay.
    ///
    /// Names and texts of files that others made go to the screen, into logs and messages: with escape sequences in them
    /// they could rewrite what was printed before. Escaped are the control characters of ASCII (C0, DEL) and of ISO 8859
    /// (C1), Unicode's line and paragraph separators, and its embeddings, overrides and isolates of writing direction.
    package var printable: String { escaping { $0 != "\n" && $0.steersTerminal } }

    /// The text on one line: the same with line feeds shown as `\u{a}` too.
    package var printableLine: String { escaping(\.steersTerminal) }

    private func escaping(_ isEscaped: (Unicode.Scalar) -> Bool) -> String {
        guard unicodeScalars.contains(where: isEscaped) else { return self }
        var result = ""
        for scalar in unicodeScalars {
            if isEscaped(scalar) {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

extension Unicode.Scalar {
    fileprivate var steersTerminal: Bool {
        switch value {
        case 0..<0x20, 0x7F...0x9F, 0x2028...0x2029, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
