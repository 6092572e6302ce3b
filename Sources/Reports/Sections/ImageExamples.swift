import Files
import Foundation

/// Images that attacks were made on, to be looked at: before, what was added, and after, with predictions and experts.
struct ImageExamples {
    private let rows: [TextRow]
    private let images: ExampleImages

    /// How many times the perturbation is enlarged.
    private static let enlargement: Float = 16
    /// Attacks that are shown at most, those that leave least first.
    private static let attacks = 6

    private static let cases = [
        "neither": "experts and prediction hold", "router_only": "experts change, prediction holds",
        "prediction_only": "experts hold, prediction wrong", "both": "experts change, prediction wrong",
    ]

    private let order: [String]
    private let hasExperts: Bool

    init?(_ run: ReportedRun) {
        guard let place = run.evaluation, case let rows = place.rows(.examples), !rows.isEmpty,
            let images = try? ExampleImages(path: place.file(ExampleImages.fileName)),
            images.clean.count == rows.count, [1, 3].contains(images.shape[2])
        else { return nil }
        self.rows = rows
        self.images = images
        let verdicts = (run.finalEvaluation?.rows ?? []).map(Verdict.init)
        let accuracies = Dictionary(verdicts.map { ($0.name, $0.accuracy ?? 1) }) { first, _ in first }
        var names: [String] = []
        for name in rows.compactMap({ $0["inputs"] }) where !names.contains(name) { names.append(name) }
        order = names.enumerated().sorted {
            (accuracies[$0.element] ?? 1, $0.offset) < (accuracies[$1.element] ?? 1, $1.offset)
        }.map(\.element)
        hasExperts = rows.contains { $0["experts"]?.isEmpty == false }
    }

    /// The section.
    var section: ReportSection? {
        let shown = order.prefix(Self.attacks)
        let rest = order.count - shown.count
        let rule =
            "Of the first chunk of images, for each attack the first two that are right when clean of every case: what holds "
            + "and what changes. The perturbation is enlarged \(Int(Self.enlargement)) times around gray."
            + (rest > 0 ? " Of \(order.count) attacks those \(shown.count) are shown that leave least." : "")
        return ReportSection(
            "images", "Images",
            [.text(rule)]
                + shown.enumerated().map { place, name in
                    let items = rows.indices.filter { rows[$0]["inputs"] == name }.map(item)
                    let markup = ReportSection.Part.markup(Self.template(["items": items]))
                    return .folded(title: name, isOpen: place < 2, [markup])
                })
    }

    private func item(_ number: Int) -> [String: Any] {
        let row = rows[number]
        let (clean, attacked) = (images.clean[number], images.attacked[number])
        let change = zip(clean, attacked).map { 0.5 + ($1 - $0) * Self.enlargement }
        let isWrong = row["label"] != row["prediction"]
        let label = row["name"] ?? row["label"] ?? ""
        var values: [String: Any] = [
            "case": (hasExperts ? Self.cases[row["case"] ?? ""] : isWrong ? "prediction wrong" : "prediction holds")
                ?? "",
            "index": row["index"] ?? "", "label": label, "prediction": row["predicted_name"] ?? "", "wrong": isWrong,
            "clean": address(clean), "change": address(change), "attacked": address(attacked),
            "loss": NumberText.short(row.finite("loss")), "distance": distance(row.finite("distance")),
        ]
        if hasExperts {
            values["experts"] = [
                "before": row["clean_experts"] ?? "", "after": row["experts"] ?? "", "changes": changes(row),
            ]
        }
        return values
    }

    private func distance(_ value: Double?) -> String { value.map { NumberText.radius($0) } ?? "–" }

    /// How many layers' choices are others.
    private func changes(_ row: TextRow) -> String {
        let before = (row["clean_experts"] ?? "").split(separator: " ").map { Set($0.split(separator: "+")) }
        let after = (row["experts"] ?? "").split(separator: " ").map { Set($0.split(separator: "+")) }
        return "\(zip(before, after).count { $0 != $1 }) of \(before.count)"
    }

    /// The picture as an address that holds it.
    private func address(_ shares: [Float]) -> String {
        let bytes = PNGImage.bytes(
            shares: shares, width: images.shape[1], height: images.shape[0], channels: images.shape[2])
        return "data:image/png;base64," + Data(bytes).base64EncodedString()
    }

    private static let template = Template(
        """
        <ul class="examples">
        {{#items}}<li><strong>{{case}}</strong> (image {{index}})
        <div class="images"><figure><img alt="original {{label}}" src="{{clean}}"><figcaption>original</figcaption></figure>
        <figure><img alt="its perturbation, enlarged" src="{{change}}"><figcaption>perturbation ×16</figcaption></figure>
        <figure><img alt="attacked {{label}}" src="{{attacked}}"><figcaption>attacked</figcaption></figure></div>
        <dl><dt>label</dt><dd>{{label}}</dd><dt>prediction</dt><dd{{#wrong}} class="wrong"{{/wrong}}>{{prediction}}\
        {{#wrong}} (wrong){{/wrong}}</dd>
        <dt>loss, distance</dt><dd>{{loss}}, {{distance}}</dd>
        {{#experts}}<dt>experts before</dt><dd>{{before}}</dd><dt>after</dt><dd>{{after}} (other in {{changes}} layers)</dd>\
        {{/experts}}</dl></li>
        {{/items}}</ul>
        """)
}
