import Files

/// Hosts and what launchers were told that each may take, in the order in which they are filled.
package struct HostList: Equatable, Sendable {
    /// One host.
    package struct Host: Equatable, Sendable {
        /// Its name or address.
        package let name: String
        /// Its slots, at least 1; nil where nobody has said.
        package var slots: Int?
    }

    /// The hosts, each once; never empty.
    package private(set) var hosts: [Host]

    /// Makes a list of hosts of different names.
    package init(_ hosts: [Host]) { self.hosts = hosts }

    /// Reads a hostfile: Open MPI's lines `host slots=4 max_slots=8`, or MPICH's and Intel MPI's `host:4`.
    ///
    /// Empty lines and what follows a `#` count for nothing. A host on several lines without counts has as many slots as lines,
    /// as schedulers write their lists; twice with a count is a mistake.
    /// - Parameter origin: The file's name, for messages.
    /// - Throws: ``Files/RunError/unusable(_:)`` that names the line, what was expected and what was found.
    package init(text: String, origin: String) throws(RunError) {
        var lines: [(host: Host, number: Int, isCounted: Bool)] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).map(String.init)
            guard !words.isEmpty else { continue }
            let host = try Self.host(words, place: "\(origin):\(index + 1)")
            guard let other = lines.firstIndex(where: { $0.host.name == host.name }) else {
                lines.append((host, index + 1, host.slots != nil))
                continue
            }
            guard host.slots == nil, !lines[other].isCounted else {
                throw RunError.unusable(
                    "\(origin):\(index + 1): \(host.name) stands on line \(lines[other].number) already, expected each host "
                        + "once where slots are given")
            }
            lines[other].host.slots = (lines[other].host.slots ?? 1) + 1
        }
        guard !lines.isEmpty else { throw RunError.unusable("\(origin): expected a host on each line, found none") }
        hosts = lines.map(\.host)
    }

    /// Reads a hostfile of this machine's.
    package init(file path: String) throws {
        try self.init(text: try FileSystem.text(of: path), origin: path)
    }

    /// Splits `host:4` and `[fe80::1]:4`; an address of version 6 without brackets has no count.
    private static func name(_ word: Substring) -> (host: String, slots: Substring?) {
        if word.hasPrefix("["), let end = word.firstIndex(of: "]") {
            let rest = word[word.index(after: end)...]
            return (
                String(word[word.index(after: word.startIndex)..<end]), rest.hasPrefix(":") ? rest.dropFirst() : nil
            )
        }
        let parts = word.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 ? (String(parts[0]), parts[1]) : (String(word), nil)
    }

    private static func host(_ words: [String], place: String) throws(RunError) -> Host {
        func mistake(_ found: String) -> RunError {
            .unusable("\(place): found \(found), expected host, host slots=N or host:N with N at least 1")
        }
        let (named, counted) = name(Substring(words[0]))
        // Open MPI lets a user stand before the host.
        let name = named.split(separator: "@", omittingEmptySubsequences: false).last.map(String.init) ?? ""
        guard !name.isEmpty, !name.contains("=") else { throw mistake(words[0]) }
        var slots: Int?
        if let counted {
            guard let count = Int(counted), count >= 1 else { throw mistake(words[0]) }
            slots = count
        }
        for word in words.dropFirst() {
            let sides = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2 else { throw mistake(word) }
            // What else the launchers let a line say (max_slots, user, binding, ifname) does not change how many ranks there are.
            guard ["slots", "count", "cpus", "cpu"].contains(sides[0]) else { continue }
            guard slots == nil, let count = Int(sides[1]), count >= 1 else { throw mistake(word) }
            slots = count
        }
        return Host(name: name, slots: slots)
    }
}
