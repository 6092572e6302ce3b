/// How sure routers are: the spread of the scores that images give each expert, layer by layer.
struct RouterScores {
    private let rows: [TextRow]
    private let attack: String?

    init(_ run: ReportedRun) {
        rows = run.finalRows(.routerScores)
        var names: [String] = []
        for name in rows.compactMap({ $0["inputs"] }) where !names.contains(name) { names.append(name) }
        attack = run.strongestAttack(among: names)?.name
    }

    /// A heading and the layers' histograms; nothing where no router was asked.
    var parts: [ReportSection.Part] {
        var layers: [String] = []
        for layer in rows.compactMap({ $0["layer"] }) where !layers.contains(layer) { layers.append(layer) }
        let folds = layers.enumerated().map { number, layer in
            ReportSection.Part.folded(
                title: layer, isOpen: number == 0,
                [
                    .figures(
                        [("clean", "clean"), attack.map { ("attacked", $0) }].compactMap { $0 }.compactMap {
                            kind, inputs in
                            figure(layer, inputs, "router-scores-\(number + 1)-\(kind)")
                        })
                ])
        }
        return folds.isEmpty ? [] : [.heading("How sure routers are")] + folds
    }

    private func figure(_ layer: String, _ inputs: String, _ name: String) -> Figure? {
        let own = rows.filter { $0["layer"] == layer && $0["inputs"] == inputs }
        guard let first = own.first?["expert"] else { return nil }
        let bins = own.filter { $0["expert"] == first }
        let bounds = bins.compactMap { $0.finite("low") } + [bins.last?.finite("high")].compactMap { $0 }
        guard bounds.count == bins.count + 1 else { return nil }
        var chart = Histogram("score", bounds: bounds)
        var experts: [String] = []
        for expert in own.compactMap({ $0["expert"] }) where !experts.contains(expert) { experts.append(expert) }
        chart.groups = experts.compactMap { expert in
            let shares = own.filter { $0["expert"] == expert }.map { $0.finite("share") ?? 0 }
            return shares.count == bins.count ? Histogram.Group(name: "expert \(expert)", shares: shares) : nil
        }
        chart.references = [.init(value: 1 / Double(max(1, experts.count)), name: "1/\(experts.count)")]
        return chart.figure(
            name, "Router's scores of \(layer), \(inputs)",
            "The softmax probability that the router gives each expert, over images.")
    }
}
