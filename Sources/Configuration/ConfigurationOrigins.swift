import Files

extension ResolvedConfiguration<RunConfiguration> {
    /// The column at which comments begin, where lines are shorter.
    private static var commentColumn: Int { 48 }

    /// The configuration as YAML that can be run again, behind each value, as a comment, where it came from: `default`,
    /// `preset NAME`, a file and its line, or `command line`.
    ///
    /// A resumed run's own configuration is one more file. Of a list whose elements were given one by one, all places stand there.
    package var yamlWithOrigins: String {
        configuration.written.spelled(configuration.spellings).lines().map { text, key in
            guard let key else { return text }
            let gap = String(repeating: " ", count: max(2, Self.commentColumn - text.count))
            return "\(text)\(gap)# \(origin(of: key).printableLine)"
        }.joined(separator: "\n") + "\n"
    }

    /// Where the value of a dotted key came from.
    package func origin(of key: String) -> String {
        if let own = origins[key] { return own }
        let elements = origins.filter { $0.key.hasPrefix(key + ".") }
        return elements.isEmpty ? "default" : Set(elements.values).sorted().joined(separator: ", ")
    }
}
