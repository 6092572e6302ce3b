/// Which experts of one layer the images of each class go to: clean, attacked, and what the attack changes.
struct ClassShares {
    let layer: String
    private let attack: String?
    private let experts: [String]
    private let classes: [String]
    private let clean: [[Double?]]
    private let attacked: [[Double?]]?

    /// - Parameter rows: Those of `expert_classes.csv`.
    init?(_ rows: [TextRow], layer: String, attack: String?) {
        let own = rows.filter { $0["layer"] == layer }
        var (experts, classes): ([String], [String]) = ([], [])
        for row in own where row["inputs"] == own.first?["inputs"] {
            let (expert, name) = (row["expert"] ?? "", row["name"] ?? "")
            if !experts.contains(expert) { experts.append(expert) }
            if !classes.contains(name) { classes.append(name) }
        }
        func shares(_ inputs: String) -> [[Double?]]? {
            let cells = own.filter { $0["inputs"] == inputs }.map { $0.finite("share_of_class") }
            guard cells.count == experts.count * classes.count, !cells.isEmpty else { return nil }
            return experts.indices.map { Array(cells[$0 * classes.count..<($0 + 1) * classes.count]) }
        }
        guard let clean = shares("clean"), experts.count > 1 else { return nil }
        (self.layer, self.attack, self.experts, self.classes, self.clean) = (layer, attack, experts, classes, clean)
        attacked = attack.flatMap(shares)
    }

    private var difference: [[Double?]]? {
        attacked.map { attacked in
            zip(attacked, clean).map {
                zip($0, $1).map { now, before in now.flatMap { now in before.map { now - $0 } } }
            }
        }
    }

    /// The mean share of a class's images that the attack sends elsewhere, in [0, 1]; 0 without an attack.
    var change: Double {
        let moved = difference?.flatMap { $0.compactMap { $0 } }.reduce(0) { $0 + abs($1) } ?? 0
        return moved / 2 / Double(max(1, classes.count))
    }

    /// That in words.
    var changeText: String { "the attack moves \(NumberText.percent(change)) of choices" }

    /// The maps.
    /// - Parameter number: Of the layer, from 1, for their names.
    func figures(_ number: Int) -> [Figure] {
        func map(_ values: [[Double?]], _ kind: String, _ title: String, _ caption: String, full: Double = 1) -> Figure
        {
            var map = HeatMap(
                rowTitle: "expert", rows: experts, columnTitle: "class", columns: classes, values: values)
            map.full = full
            return map.figure("expert-classes-\(number)-\(kind)", "\(layer), \(title)", caption)
        }
        let scale = "Per cent of a class's choices; a class adds up to 100 over the experts."
        var figures = [map(clean, "clean", "clean", scale)]
        if let attacked, let difference, let attack {
            let most = difference.flatMap { $0.compactMap { $0.map(abs) } }.max() ?? 0
            figures.append(map(attacked, "attacked", attack, scale))
            figures.append(
                map(
                    difference, "difference", "attacked less clean",
                    "Percentage points that the attack brings or takes.",
                    full: max(most, 0.01)))
        }
        return figures
    }
}
