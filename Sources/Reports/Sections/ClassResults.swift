/// What becomes of each class: who is taken for whom, clean and attacked.
struct ClassResults {
    private let perSample: [TextRow]
    private let classes: [TextRow]
    private let attack: String?
    private let names: [String]

    /// Classes that a matrix is drawn for at most; of more, the most frequent mistakes are listed.
    private static let matrixClasses = 25
    private static let listedMistakes = 20
    /// Kinds of inputs that the table of classes has room for; of more, clean images and the strongest attack are shown.
    private static let shownInputs = 8

    init(_ run: ReportedRun) {
        perSample = run.evaluation?.rows(.perSample) ?? []
        let classes = run.evaluation?.rows(.classes) ?? []
        self.classes = classes
        names = classes.filter { $0["inputs"] == classes.first?["inputs"] }.map { $0["name"] ?? $0["class"] ?? "" }
        var inputs: [String] = []
        for name in classes.compactMap({ $0["inputs"] }) where !inputs.contains(name) { inputs.append(name) }
        attack = run.strongestAttack(among: inputs)?.name
    }

    /// The section; nil where no images were kept.
    var section: ReportSection? {
        guard !perSample.isEmpty, !names.isEmpty else { return nil }
        let kinds = [("clean", "clean_prediction")] + (attack.map { [($0, "\($0)_prediction")] } ?? [])
        let counts = kinds.compactMap { kind in
            perSample.first?[kind.1].map { _ in (inputs: kind.0, counts: matrix(kind.1)) }
        }
        var parts: [ReportSection.Part] = []
        if names.count <= Self.matrixClasses {
            parts.append(.figures(counts.enumerated().map { map($0.element, $0.offset == 0 ? "clean" : "attacked") }))
        } else {
            parts += counts.map { .table(mistakes($0)) }
        }
        parts.append(.table(recalls))
        return ReportSection("classes", "Classes", parts)
    }

    /// Images by label and prediction.
    private func matrix(_ column: String) -> [[Int]] {
        var counts = [[Int]](repeating: [Int](repeating: 0, count: names.count), count: names.count)
        for row in perSample {
            guard let label = row["label"].flatMap(Int.init), let prediction = row[column].flatMap(Int.init),
                names.indices.contains(label), names.indices.contains(prediction)
            else { continue }
            counts[label][prediction] += 1
        }
        return counts
    }

    private func map(_ result: (inputs: String, counts: [[Int]]), _ kind: String) -> Figure {
        let shares = result.counts.map { row in
            let all = row.reduce(0, +)
            return row.map { count -> Double? in all > 0 ? Double(count) / Double(all) : nil }
        }
        return HeatMap(
            rowTitle: "label", rows: names, columnTitle: "prediction", columns: names, values: shares
        ).figure(
            "confusion-\(kind)", "Confusion, \(result.inputs)",
            "Per cent of a label's images; \(NumberText.count(perSample.count)) images in all.")
    }

    private func mistakes(_ result: (inputs: String, counts: [[Int]])) -> ReportTable {
        var all: [(count: Int, label: Int, prediction: Int)] = []
        for (label, row) in result.counts.enumerated() {
            for (prediction, count) in row.enumerated() where count > 0 && label != prediction {
                all.append((count, label, prediction))
            }
        }
        let most = all.sorted { $0.count > $1.count }.prefix(Self.listedMistakes)
        return ReportTable(
            "Most frequent mistakes, \(result.inputs)", [.init("label"), .init("prediction"), .number("images")],
            most.map { [.init(names[$0.label]), .init(names[$0.prediction]), .number(Double($0.count))] })
    }

    private var recalls: ReportTable {
        var inputs: [String] = []
        for name in classes.compactMap({ $0["inputs"] }) where !inputs.contains(name) { inputs.append(name) }
        let recalls = Dictionary(
            classes.map { ("\($0["inputs"] ?? "")/\($0["name"] ?? "")", $0.finite("recall")) }
        ) { first, _ in first }
        if inputs.count > Self.shownInputs { inputs = ["clean"] + [attack].compactMap { $0 } }
        return ReportTable(
            "Right images of each class", [.init("class"), .number("images")] + inputs.map { .number($0) },
            names.map { name in
                let samples = classes.first { $0["name"] == name }?.finite("samples")
                return [.init(name), .number(samples)] + inputs.map { .percent(recalls["\($0)/\(name)"] ?? nil) }
            })
    }
}
