/// Why attacks win: whether routers or predictions give way, how many ways through the experts images take, and how far these
/// are those of a mask.
struct AttackDissection {
    private let rows: [TextRow]
    private let overlaps: [TextRow]

    /// The four cases, by their columns, in words.
    private static let cases = [
        ("neither", "both hold"), ("router_only", "experts change, right all the same"),
        ("prediction_only", "experts hold, wrong"), ("both", "experts change, wrong"),
    ]

    init(_ run: ReportedRun) {
        rows = run.evaluation?.rows(.dissection) ?? []
        overlaps = run.evaluation?.rows(.maskOverlap) ?? []
    }

    /// The section; nil where no routers were looked at.
    var section: ReportSection? {
        guard !rows.isEmpty else { return nil }
        return ReportSection(
            "dissection", "Why attacks win", [.figures([cases] + [overlap].compactMap { $0 }), .table(pathways)])
    }

    private var cases: Figure {
        var chart = StackedBars("share of images", kinds: Self.cases.map(\.1))
        chart.end = 1
        chart.bars = rows.map { row in
            StackedBars.Bar(
                name: row["inputs"] ?? "", values: Self.cases.map { row.finite("\($0.0)_share") ?? 0 })
        }
        return chart.figure(
            "dissection", "What gives way under each attack",
            "Experts change where an image's choice differs from that of its clean image in any layer.")
    }

    private var pathways: ReportTable {
        ReportTable(
            "Pathways through the experts",
            [
                .init("inputs"), .number("images"), .number("pathways"), .number("entropy (nats)"),
                .number("in common with clean"), .number("experts hold"), .number("right"),
            ] + (overlaps.isEmpty ? [] : [.number("mask overlap"), .number("by chance")]),
            rows.map { row in
                let cells: [ReportTable.Cell] = [
                    .init(row["inputs"] ?? ""), .number(row.finite("samples")), .number(row.finite("pathways")),
                    .number(row.finite("pathway_entropy")), .percent(row.finite("clean_overlap")),
                    .percent(row.finite("router_kept_share")), .percent(row.finite("correct_share")),
                ]
                let mask: [ReportTable.Cell] = [
                    .number(row.finite("mask_overlap")), .number(row.finite("mask_overlap_chance")),
                ]
                return cells + (overlaps.isEmpty ? [] : mask)
            })
    }

    private var overlap: Figure? {
        guard let first = overlaps.first?["inputs"] else { return nil }
        let bins = overlaps.filter { $0["inputs"] == first }
        let bounds = bins.compactMap { $0.finite("low") } + [bins.last?.finite("high")].compactMap { $0 }
        guard bounds.count == bins.count + 1 else { return nil }
        var chart = Histogram("intersection over union with the mask", bounds: bounds)
        var names: [String] = []
        for name in overlaps.compactMap({ $0["inputs"] }) where !names.contains(name) { names.append(name) }
        chart.groups = names.compactMap { name in
            let shares = overlaps.filter { $0["inputs"] == name }.map { $0.finite("share") ?? 0 }
            return shares.count == bins.count ? Histogram.Group(name: name, shares: shares) : nil
        }
        if let chance = rows.compactMap({ $0.finite("mask_overlap_chance") }).first {
            chart.references = [.init(value: chance, name: "chance")]
        }
        return chart.figure(
            "mask-overlap", "Pathways against the mask",
            "Channels that both an image's pathway and the mask keep, over those that either does. Chance is the mean over "
                + "experts chosen evenly at random.")
    }
}
