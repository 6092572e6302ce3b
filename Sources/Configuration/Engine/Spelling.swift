/// Finds the word that was probably meant.
package enum Spelling {
    /// Returns the number of inserted, deleted, replaced and swapped neighbouring characters between two words.
    static func distance(_ first: String, _ second: String) -> Int {
        let first = Array(first)
        let second = Array(second)
        var beforeLast: [Int] = []
        var last = Array(0...second.count)
        for i in first.indices {
            var row = [i + 1]
            for j in second.indices {
                var best = min(last[j + 1] + 1, row[j] + 1, last[j] + (first[i] == second[j] ? 0 : 1))
                if i > 0, j > 0, first[i] == second[j - 1], first[i - 1] == second[j] {
                    best = min(best, beforeLast[j - 1] + 1)
                }
                row.append(best)
            }
            beforeLast = last
            last = row
        }
        return last[second.count]
    }

    /// Returns the candidate nearest to a word, or nil where none is within a third of the word's length.
    package static func nearest(to word: String, among candidates: [String]) -> String? {
        allNearest(among: candidates, limit: limit(word)) { distance(word.lowercased(), $0) }.first
    }

    /// Returns the dotted key nearest to one that does not exist.
    ///
    /// A right name in a wrong section counts as one mistake, so `experts` leads to `moe.experts`. Capitals and
    /// underscores count for nothing, so `stepSize` leads to `step_size`.
    static func nearestKey(to key: String, among candidates: [String]) -> String? {
        nearestKeys(to: key, among: candidates).first
    }

    /// Returns all dotted keys that are equally near to one that does not exist, and nearer than others, in their order.
    static func nearestKeys(to key: String, among candidates: [String]) -> [String] {
        let (section, name) = split(key)
        return allNearest(among: candidates, limit: limit(name)) { candidate in
            let (otherSection, otherName) = split(candidate)
            let elsewhere = section == otherSection ? 0 : 1
            return min(distance(key, candidate), distance(letters(name), letters(otherName)) + elsewhere)
        }
    }

    private static func allNearest(
        among candidates: [String], limit: Int, by distance: (String) -> Int
    ) -> [String] {
        let all = candidates.map { (word: $0, distance: distance($0)) }
        guard let best = all.map(\.distance).min(), best <= limit else { return [] }
        return all.filter { $0.distance == best }.map(\.word)
    }

    private static func limit(_ word: String) -> Int {
        max(1, word.count / 3)
    }

    private static func letters(_ name: String) -> String {
        name.lowercased().filter { $0 != "_" }
    }

    private static func split(_ key: String) -> (section: Substring, name: String) {
        guard let dot = key.lastIndex(of: ".") else { return ("", key) }
        return (key[..<dot], String(key[key.index(after: dot)...]))
    }
}
