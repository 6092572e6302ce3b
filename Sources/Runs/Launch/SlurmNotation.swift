import Files

/// The short forms in which Slurm writes lists.
enum SlurmNotation {
    /// Hosts that a list may stand for; Slurm's own limit is 65536.
    private static let mostHosts = 1 << 16

    /// Expands a list of hosts such as `node[01-03,07],gpu5`.
    /// - Throws: ``RunError/unusable(_:)`` where it is no such list.
    static func hosts(_ list: String) throws(RunError) -> [String] {
        var result: [String] = []
        for item in try items(list) { result += try expanded(item, in: list) }
        return result
    }

    /// Expands counts such as `2(x3),1`, one for each host.
    static func counts(_ list: String) -> [Int]? {
        var result: [Int] = []
        for item in list.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = item.split(separator: "(")
            guard let first = parts.first, let count = Int(first), count >= 0 else { return nil }
            guard parts.count > 1 else {
                result.append(count)
                continue
            }
            guard parts.count == 2, parts[1].hasPrefix("x"), parts[1].hasSuffix(")"),
                let times = Int(parts[1].dropFirst().dropLast()), (1...mostHosts).contains(times)
            else { return nil }
            result += Array(repeating: count, count: times)
        }
        return result
    }

    /// What stands between the commas outside of brackets.
    private static func items(_ list: String) throws(RunError) -> [Substring] {
        var items: [Substring] = []
        var start = list.startIndex
        var isInside = false
        for index in list.indices {
            switch list[index] {
            case "[" where !isInside: isInside = true
            case "]" where isInside: isInside = false
            case "," where !isInside:
                items.append(list[start..<index])
                start = list.index(after: index)
            case "[", "]": throw mistake(list)
            default: break
            }
        }
        items.append(list[start...])
        guard !isInside, !items.contains("") else { throw mistake(list) }
        return items
    }

    /// Expands the brackets of one item, from the left.
    private static func expanded(_ item: Substring, in list: String) throws(RunError) -> [String] {
        guard let open = item.firstIndex(of: "["), let close = item[open...].firstIndex(of: "]") else {
            return [String(item)]
        }
        let rest = try expanded(item[item.index(after: close)...], in: list)
        var names: [String] = []
        for range in item[item.index(after: open)..<close].split(separator: ",", omittingEmptySubsequences: false) {
            let bounds = range.split(separator: "-", omittingEmptySubsequences: false)
            guard bounds.count <= 2, let low = bounds.first, let high = bounds.last, let first = Int(low),
                let last = Int(high), first >= 0, first <= last, (last - first + 1) * rest.count <= mostHosts
            else { throw mistake(list) }
            for number in first...last {
                let digits = String(number)
                // Numbers are as wide as the first of their range is written.
                let padded = String(repeating: "0", count: max(0, low.count - digits.count)) + digits
                names += rest.map { item[..<open] + padded + $0 }
            }
        }
        return names
    }

    private static func mistake(_ list: String) -> RunError {
        .unusable("SLURM_JOB_NODELIST is \(list), expected a list of hosts such as node[01-03,07],gpu5")
    }
}
