import Files

/// What a run came to, first of all: accuracies on tiles, each with what it is of, and every reason not to believe them.
struct VerdictSection {
    private struct Tile {
        let title: String
        let value: String
        let interval: String
        let detail: String
        var isAlarming = false
    }

    private let run: ReportedRun
    private let verdicts: [Verdict]

    init(_ run: ReportedRun) {
        self.run = run
        verdicts = (run.finalEvaluation?.rows ?? []).map(Verdict.init)
    }

    /// The section.
    var section: ReportSection? {
        let tiles = accuracyTiles + trainingTiles
        guard !tiles.isEmpty else { return nil }
        let values = tiles.map { tile -> [String: Any] in
            [
                "title": tile.title, "value": tile.value, "interval": tile.interval, "detail": tile.detail,
                "alarming": tile.isAlarming,
            ]
        }
        let warnings = warnings
        return ReportSection(
            "verdict", "Verdict",
            [
                .markup(
                    Self.template([
                        "tiles": values, "warnings": warnings, "flagged": !warnings.isEmpty,
                        "evaluated": !verdicts.isEmpty,
                    ]))
            ])
    }

    private var accuracyTiles: [Tile] {
        let clean = verdicts.filter(\.isClean)
        let attacks = verdicts.filter { !$0.isClean && !$0.isWorstCase && !$0.isStage }
        let strongest = run.strongestAttack()
        let worst = attacks.count > 1 ? verdicts.first(where: \.isWorstCase) : nil
        let radii = Set(attacks.compactMap(\.epsilon)).sorted()
        var tiles = clean.map { tile($0, $0.name == "clean" ? "Clean accuracy" : "Accuracy, \($0.name)") }
        if let strongest { tiles.append(tile(strongest, "Robust accuracy, \(strongest.name)")) }
        if let worst {
            let range =
                radii.count > 1
                ? "radii \(NumberText.radius(radii[0])) to \(NumberText.radius(radii[radii.count - 1]))" : nil
            let settings = ["\(attacks.count) attacks", range ?? strongest?.radius].compactMap { $0 }
            tiles.append(tile(worst, "Worst case over all attacks", settings.joined(separator: ", ")))
        }
        return tiles
    }

    private func tile(_ verdict: Verdict, _ title: String, _ settings: String? = nil) -> Tile {
        let interval =
            verdict.low.flatMap { low in
                verdict.high.map { "95% interval \(NumberText.percent(low)) to \(NumberText.percent($0))" }
            } ?? ""
        let count = verdict.samples.map { "n = \(NumberText.count($0)) of \(verdict.images)" }
        let settings = settings ?? (verdict.settings.isEmpty ? nil : verdict.settings)
        return Tile(
            title: title, value: NumberText.percent(verdict.accuracy), interval: interval,
            detail: [settings, count].compactMap { $0 }.joined(separator: "; "),
            isAlarming: verdict.flags.contains { !Self.remarks.contains($0) })
    }

    private var trainingTiles: [Tile] {
        let rows = run.training?.rows(.metrics).filter { $0["split"] == "train" } ?? []
        guard let last = rows.last else { return [] }
        let seconds = rows.compactMap { $0.finite("wall_seconds") }.reduce(0, +)
        let rate = rows.compactMap { $0.finite("images_per_second") }.last
        let epochs = last["epoch"] ?? "?"
        let wanted = run.settings["training.epochs"].flatMap { $0 == epochs ? nil : " of \($0)" }
        return [
            Tile(
                title: "Training", value: "epoch \(epochs)\(wanted ?? "")",
                interval: rate.map { "\(NumberText.short($0.rounded())) images a second" } ?? "",
                detail: "step \(last["step"] ?? "?"), \(NumberText.seconds(seconds)) in its loop")
        ]
    }

    /// Words in the table that are no alarms.
    private static let remarks: Set<String> = ["weight-average", "routes-held"]

    /// The warnings of the evaluation's log that tell of flags, else the flags themselves; and those of experts' use.
    private var warnings: [String] {
        guard let final = run.finalEvaluation else { return [] }
        let words = verdicts.flatMap { verdict in
            verdict.flags.filter { !Self.remarks.contains($0) }.map { (verdict.name, $0) }
        }
        let log = (final.place.text("events.log") ?? "").split(separator: "\n").compactMap { line in
            line.range(of: " warning: ").map { String(line[$0.upperBound...]) }
        }
        let isTold = { (word: String) in
            log.contains { $0.contains("(\(word.prefix { $0 != "=" }))") }
        }
        // A run that is evaluated again and again tells of its experts each time.
        let lastOfExperts = log.last { $0.hasPrefix("on ") }
        let kinds = words.map { String($0.1.prefix { $0 != "=" }) }
        var seen: Set<String> = []
        let told = kinds.filter { seen.insert($0).inserted }.flatMap { kind in
            Self.shortened(log.filter { $0.contains("(\(kind))") })
        }
        let untold = words.filter { !isTold($0.1) }.map { "\($0.0): \($0.1)" }
        return told + untold + [lastOfExperts].compactMap { $0 }
    }

    /// Lines of one kind: some as they are, of many the first with the names that the others are of.
    private static func shortened(_ lines: [String]) -> [String] {
        guard lines.count > 2 else { return lines }
        let others = lines.dropFirst().map { String($0.prefix { $0 != ":" }) }
        return ["\(lines[0]). The like of \(others.count) others: \(others.joined(separator: ", "))"]
    }

    private static let template = Template(
        """
        <ul class="tiles">
        {{#tiles}}<li{{#alarming}} class="alarming"{{/alarming}}><span class="title">{{title}}</span>
        <strong>{{value}}</strong><span>{{interval}}</span><span class="detail">{{detail}}</span></li>
        {{/tiles}}</ul>
        {{#flagged}}<div class="flags" role="note"><p class="part"><strong>Read before quoting these figures</strong></p>
        <ul>{{#warnings}}<li>{{.}}</li>
        {{/warnings}}</ul></div>{{/flagged}}
        {{^flagged}}{{#evaluated}}<p class="unflagged">No check of the evaluation raised a flag.</p>{{/evaluated}}{{/flagged}}
        """)
}
