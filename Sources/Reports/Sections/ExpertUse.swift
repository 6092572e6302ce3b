import Files
import Foundation

/// How a mixture uses its experts: their shares over the training, what classes they get, how sure routers are, how many images
/// change their experts under attack, and what each expert would do alone.
struct ExpertUse {
    private let run: ReportedRun
    private let training: [TextRow]
    private let final: [TextRow]

    /// Layers that are shown without being asked for.
    private static let unfolded = 4

    init(_ run: ReportedRun) {
        self.run = run
        training = run.training?.rows(.experts).filter { $0["split"] == "train" } ?? []
        final = run.finalRows(.experts)
    }

    /// The section; nil of a network without mixtures.
    var section: ReportSection? {
        guard !training.isEmpty || !final.isEmpty else { return nil }
        var parts: [ReportSection.Part] = []
        let strongest = run.strongestAttack(among: Self.unique(final, "inputs"))?.name
        let shares = [lastShares("clean"), strongest.flatMap(lastShares)].compactMap { $0 }
        let routing = RoutingCurves(run)
        let overview = shares + routing.figures
        if !overview.isEmpty { parts.append(.figures(overview)) }
        let history = sharesOverEpochs
        if !history.isEmpty {
            parts.append(
                .folded(
                    title: "Shares over epochs, layer by layer (\(history.count))",
                    isOpen: history.count <= Self.unfolded, [.figures(history)]))
        }
        parts += classParts + mapParts + RouterScores(run).parts + fixedParts
        if let table = routing.table {
            parts.append(.folded(title: table.caption, isOpen: table.rows.count <= 24, [.table(table)]))
        }
        return ReportSection("experts", "Experts", parts)
    }

    private static func unique(_ rows: [TextRow], _ column: String) -> [String] {
        var seen: Set<String> = []
        return rows.compactMap { $0[column] }.filter { seen.insert($0).inserted }
    }

    // MARK: - Shares

    private func lastShares(_ inputs: String) -> Figure? {
        let rows = final.filter { $0["inputs"] == inputs }
        let layers = Self.unique(rows, "layer")
        let experts = Self.unique(rows, "expert")
        guard !layers.isEmpty, experts.count > 1 else { return nil }
        var chart = StackedBars("share of choices", kinds: experts.map { "expert \($0)" })
        chart.end = 1
        chart.hatchedWords = "dead, no image of the split chose it"
        chart.references = (1..<experts.count).map {
            .init(value: Double($0) / Double(experts.count), name: "equal shares, 1/\(experts.count) each")
        }
        chart.bars = layers.map { layer in
            let own = rows.filter { $0["layer"] == layer }.prefix(experts.count)
            return StackedBars.Bar(
                name: layer, values: own.map { $0.finite("fraction") ?? 0 },
                hatched: own.indices.filter { own[$0]["dead"] == "true" })
        }
        let kind = inputs == "clean" ? "clean" : "attacked"
        return chart.figure(
            "expert-shares-\(kind)", "Shares of experts, \(inputs)",
            "Of the \(final.first?["split"] ?? "") images at the last evaluation. Dotted lines are equal shares; hatched "
                + "signs are dead experts, which no image chose.")
    }

    private var sharesOverEpochs: [Figure] {
        let inputs = Self.unique(training, "inputs").last
        let rows = training.filter { $0["inputs"] == inputs }
        let experts = Self.unique(rows, "expert")
        let perLayer = Dictionary(grouping: rows) { $0["layer"] ?? "" }
        let stepsPerEpoch = max(1, (rows.last?.finite("step") ?? 1) / max(1, rows.last?.finite("epoch") ?? 1))
        return Self.unique(rows, "layer").enumerated().compactMap { number, layer in
            let steps = Dictionary(grouping: perLayer[layer] ?? []) { $0.finite("step") ?? 0 }
            let columns = steps.sorted { $0.key < $1.key }.filter { $0.value.count == experts.count }
            guard columns.count > 1, experts.count > 1 else { return nil }
            let chart = StackedShares(
                horizontalTitle: "epoch", kinds: experts.map { "expert \($0)" },
                columns: columns.map { ($0.key / stepsPerEpoch, $0.value.map { $0.finite("fraction") ?? 0 }) },
                dead: columns.map { $0.value.map { $0["dead"] == "true" } })
            return chart.figure(
                "expert-history-\(number + 1)", "\(layer), training",
                "On \(inputs ?? ""); dotted lines are equal shares, hatched strips are experts without an image.")
        }
    }

    // MARK: - Classes

    private var classParts: [ReportSection.Part] {
        guard let rows = run.evaluation?.rows(.expertClasses), !rows.isEmpty else { return [] }
        let attack = run.strongestAttack(among: Self.unique(rows, "inputs"))?.name
        let maps = Self.unique(rows, "layer").compactMap { ClassShares(rows, layer: $0, attack: attack) }
        let ordered = maps.enumerated().sorted { $0.element.change > $1.element.change }
        guard !ordered.isEmpty else { return [] }
        return [.heading("Which classes go to which experts")]
            + ordered.enumerated().map { place, map in
                .folded(
                    title: map.element.layer + (map.element.change > 0 ? ", \(map.element.changeText)" : ""),
                    isOpen: place == 0, [.figures(map.element.figures(map.offset + 1))])
            }
    }

    /// The picture of images that went to each expert.
    private var mapParts: [ReportSection.Part] {
        let layers = Self.unique(run.evaluation?.rows(.expertClasses) ?? [], "layer")
        guard let place = run.evaluation, !layers.isEmpty,
            let png = place.bytes(RunDirectory.expertMapsName)
        else { return [] }
        let markup = Self.picture([
            "address": "data:image/png;base64," + Data(png).base64EncodedString(),
            "caption":
                "From top to bottom: \(layers.joined(separator: ", ")); in each its experts from 0; in each of these the "
                + "first clean images of each class that chose it, classes in label order.",
        ])
        return [.folded(title: "Images of each expert, class by class", isOpen: false, [.markup(markup)])]
    }

    private static let picture = Template(
        """
        <figure><img class="map" alt="images that went to each expert" src="{{address}}">
        <figcaption>{{caption}}</figcaption></figure>
        """)

    // MARK: - Experts alone

    private var fixedParts: [ReportSection.Part] {
        let rows = run.experts?.rows(.fixedExperts) ?? []
        let layers = Self.unique(rows, "layer")
        let parts = layers.enumerated().compactMap { number, layer -> ReportSection.Part? in
            let figures = Self.unique(rows, "inputs").enumerated().compactMap { place, inputs in
                fixed(
                    rows.filter { $0["layer"] == layer && $0["inputs"] == inputs }, layer, inputs,
                    "fixed-experts-\(number + 1)-\(place + 1)")
            }
            return figures.isEmpty ? nil : .folded(title: layer, isOpen: number == 0, [.figures(figures)])
        }
        return parts.isEmpty ? [] : [.heading("Each expert alone against the gate")] + parts
    }

    private func fixed(_ rows: [TextRow], _ layer: String, _ inputs: String, _ name: String) -> Figure? {
        var chart = BarChart("accuracy")
        let gate = rows.first { $0["expert"] == "gated" }
        for row in rows.filter({ $0["expert"] == "gated" }) + rows.filter({ $0["expert"] != "gated" }) {
            guard let accuracy = row.finite("accuracy") else { continue }
            let isGate = row["expert"] == "gated"
            chart.bars.append(
                BarChart.Bar(
                    name: isGate ? "gate" : "expert \(row["expert"] ?? "")", value: accuracy,
                    low: row.finite("accuracy_low"), high: row.finite("accuracy_high"), style: isGate ? "s7" : "s2",
                    note: row["against_gate"].flatMap { $0.isEmpty ? nil : "\($0) than the gate" } ?? ""))
        }
        chart.reference = gate?.finite("accuracy").map { .init(value: $0, name: "the gate") }
        let ends = chart.bars.map { $0.high ?? $0.value }
        chart.domain = 0...max(0.1, Scale.roundRange(ends, includingZero: true).upperBound)
        guard chart.bars.count > 1 else { return nil }
        return chart.figure(
            name, "\(layer), \(inputs)",
            "All images to one expert; attacks are made on that network. \(rows[0]["samples"] ?? "?") images.")
    }
}
