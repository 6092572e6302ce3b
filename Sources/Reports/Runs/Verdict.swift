import Files

/// A row of `evaluation.csv` as a reader wants it: an accuracy with what it is of.
struct Verdict {
    private let row: TextRow

    init(_ row: TextRow) { self.row = row }

    /// The attack's id; `clean` without one, with what follows it (`clean@average`).
    var name: String {
        let attack = row["attack"] ?? ""
        return attack == "none" || attack.hasPrefix("none@") ? "clean" + attack.dropFirst(4) : attack
    }

    /// Whether images are as they are in the data set.
    var isClean: Bool { name == "clean" || name.hasPrefix("clean@") }
    /// Whether it is over all attacks, the worst for each image.
    var isWorstCase: Bool { name == "worst-case" || name.hasPrefix("worst-case@") }
    /// Whether it is one stage of a ladder, whose whole has a row of its own.
    var isStage: Bool { name.contains("/") }
    /// The accuracy, in [0, 1].
    var accuracy: Double? { row.finite("accuracy") }
    var low: Double? { row.finite("accuracy_low") }
    var high: Double? { row.finite("accuracy_high") }
    var samples: Int? { row["samples"].flatMap(Int.init) }
    var epsilon: Double? { row.finite("epsilon") }
    var steps: Int? { row["steps"].flatMap(Int.init) }
    /// What a reader should know, a word each.
    var flags: [String] {
        (row["flags"] ?? "").split(separator: ";").map(String.init)
    }
    /// The images: data set and split.
    var images: String { [row["dataset"], row["split"]].compactMap { $0 }.joined(separator: " ") }

    /// The radius with its norm, such as `L∞ 8/255`; nil where there is none.
    var radius: String? {
        guard let epsilon else { return nil }
        return row["norm"] == "l2" ? "L2 \(NumberText.short(epsilon))" : "L∞ \(NumberText.radius(epsilon))"
    }

    /// The attack's settings in words.
    var settings: String {
        var parts = [radius].compactMap { $0 }
        if let steps { parts.append("\(steps) step\(steps == 1 ? "" : "s")") }
        if let size = row.finite("step_size") { parts.append("step size \(NumberText.radius(size))") }
        if let restarts = row["restarts"].flatMap(Int.init), restarts > 1 { parts.append("\(restarts) restarts") }
        if let objective = row["objective"], !objective.isEmpty { parts.append(objective) }
        if let routing = row["routing"], !["", "deterministic"].contains(routing), !isClean {
            parts.append("\(routing) routes")
        }
        return parts.joined(separator: ", ")
    }

    /// What attacks of a sweep have in common: all but the radius, or all but the steps; the step size counts as a share of the
    /// radius.
    func family(without key: SweptKey) -> String {
        let ratio = row.finite("step_size").flatMap { size in epsilon.map { NumberText.short(size / max($0, 1e-12)) } }
        let kind = name.prefix { $0 != "-" && $0 != "/" && $0 != "@" }
        let common = [
            String(kind), row["norm"], row["restarts"], row["objective"], row["random_start"], row["routing"], ratio,
        ]
        let other = key == .epsilon ? row["steps"] : row["epsilon"]
        return (common + [other]).map { $0 ?? "" }.joined(separator: ",")
    }

    /// A setting that evaluations vary.
    enum SweptKey { case epsilon, steps }
}
