import Files

/// One thing that is wrong with a configuration.
package struct ConfigurationIssue: Sendable, Equatable, CustomStringConvertible {
    /// What sort of mistake it is.
    package enum Kind: Sendable, Equatable {
        /// The key does not exist.
        case unknownKey
        /// The value is of the wrong type, out of range, or impossible beside others.
        case value
        /// The key is set more than once in one file.
        case duplicate
        /// The text cannot be read at all.
        case unreadable
    }

    /// What sort of mistake it is.
    package let kind: Kind
    /// The dotted key, such as `moe.experts`; empty for a text that cannot be read.
    package let key: String
    /// The value that stands there, as text; for a text that cannot be read, what is the matter.
    package let found: String
    /// What may stand there.
    package let allowed: String
    /// Where it was written: a file and a line, or `command line`.
    package let origin: String
    /// The nearest spelling that would be understood, if one is near.
    package let suggestion: String?

    /// One line: where, which key, what was found, what is allowed.
    package var description: String {
        let text =
            switch kind {
            case .unknownKey: "\(key): no such key (found \(found)); allowed: \(allowed)"
            case .value: "\(key): found \(found); allowed: \(allowed)"
            case .duplicate: "\(key): set more than once (found \(found)); allowed: \(allowed)"
            case .unreadable: "\(found); allowed: \(allowed)"
            }
        return ("\(origin): \(text)" + (suggestion.map { "; did you mean \($0)?" } ?? "")).printableLine
    }
}

/// Everything that is wrong with a configuration, so that one attempt shows all of it.
package struct ConfigurationError: ErrorWithStatus, Sendable, Equatable, CustomStringConvertible {
    /// The mistakes, in the order of the layers; never empty.
    package let issues: [ConfigurationIssue]

    /// Mistakes that are told one by one; of more, the rest is counted.
    static let told = 100

    /// The mistakes, one a line.
    package var description: String {
        let rest = issues.count - Self.told
        let lines = issues.prefix(Self.told).map(\.description) + (rest > 0 ? ["and \(rest) more mistakes"] : [])
        return lines.joined(separator: "\n")
    }

    package var exitStatus: ExitStatus { .usage }
}
