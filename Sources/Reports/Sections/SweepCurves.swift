/// Accuracies of many runs over a setting that they vary, a line for each method: what a sweep is made for.
///
/// A line is the mean over seeds. Runs that have one value of the setting alone, or none, such as a dense network beside
/// numbers of experts, are level lines.
struct SweepCurves {
    private let runs: [ReportedRun]
    private let published: PublishedValues?
    private let differing: [String]

    /// Settings that follow from a method, and need no words beside it.
    private static let told = ["training.method", "training.advmoe.", "moe.kind", "attack.objective", "attack.start"]
    /// Lines of a chart at most: more tell nothing.
    private static let mostLines = 12

    init(_ runs: [ReportedRun], _ published: PublishedValues?) {
        self.runs = runs
        self.published = published
        differing = RunSettings.differing(runs.map(\.settings))
    }

    /// A figure for each setting of numbers, under attack and clean, and one for the radii of evaluations.
    var figures: [Figure] {
        let keys = differing.filter { key in
            runs.allSatisfy { $0.settings[key].flatMap(NumberText.fraction) != nil || isLevel($0, key) }
        }
        return keys.flatMap { key in [overKey(key, isClean: false), overKey(key, isClean: true)] }.compactMap { $0 }
            + [overRadius].compactMap { $0 }
    }

    /// Whether a setting is none of a run's: it is of mixtures, and the run has no experts.
    private func isLevel(_ run: ReportedRun, _ key: String) -> Bool {
        key.hasPrefix("moe.") && (run.settings["moe.kind"] ?? "none") == "none"
    }

    /// Runs that differ in seeds and one setting alone, with what tells them from the others.
    private func groups(without key: String?) -> [(label: String, runs: [ReportedRun])] {
        let others = differing.filter { $0 != key }
        var groups: [(identity: [String], runs: [ReportedRun])] = []
        for run in runs {
            let identity =
                [PublishedValues.method(run.settings)]
                + others.map { name in isLevel(run, name) ? "" : run.settings.values[name] ?? "null" }
            if let place = groups.firstIndex(where: { $0.identity == identity }) {
                groups[place].runs.append(run)
            } else {
                groups.append((identity, [run]))
            }
        }
        let words = groups.map { group -> String in
            let settings = group.runs[0].settings
            let method = PublishedValues.method(settings)
            let alike = groups.map(\.runs[0].settings).filter { PublishedValues.method($0) == method }
            // What all networks of a method have in common, the method tells.
            let more = others.compactMap { name -> String? in
                guard !isLevel(group.runs[0], name), let value = settings[name],
                    alike.contains(where: { $0.values[name] != settings.values[name] }),
                    !Self.told.contains(where: { $0.hasSuffix(".") ? name.hasPrefix($0) : name == $0 })
                else { return nil }
                return "\(name.split(separator: ".").last ?? "") \(value)"
            }
            return ([method] + more).joined(separator: ", ")
        }
        let isEnough = Set(words).count == words.count
        return zip(words, groups).map { (isEnough ? $0 : "\($0) (\($1.runs[0].label))", $1.runs) }
    }

    private func overKey(_ key: String, isClean: Bool) -> Figure? {
        var chart = LineChart.shares(key, "accuracy")
        chart.ordinates = 0...0
        for (label, members) in groups(without: key) {
            func mean(_ value: (ReportedRun) -> Double?) -> [Drawing.Point] {
                let places = Dictionary(grouping: members) { $0.settings[key].flatMap(NumberText.fraction) ?? 0 }
                return places.sorted { $0.key < $1.key }.compactMap { place, runs in
                    let values = runs.compactMap(value)
                    return values.isEmpty ? nil : (place, values.reduce(0, +) / Double(values.count))
                }
            }
            let points = mean { isClean ? Self.clean($0) : $0.strongestAttack()?.accuracy }
            if points.count > 1, !members.contains(where: { isLevel($0, key) }) {
                chart.series.append(
                    LineChart.Series(name: label, style: ChartStyle.series(chart.series.count), points: points))
            } else if let value = points.first?.y {
                chart.heights.append(.init(value: value, name: label))
            }
            let known = mean { run in
                let own = published?.entries.first { $0.fits(run.settings) && $0.verdict(of: run) != nil }
                return isClean ? own?.standardAccuracy : own?.robustAccuracy
            }
            if !known.isEmpty, points.count > 1 {
                chart.series.append(
                    LineChart.Series(
                        name: "published, \(label)", style: ChartStyle.series(chart.series.count) + " dashed",
                        points: known))
            }
        }
        guard chart.series.contains(where: { $0.points.count > 1 }), chart.series.count <= Self.mostLines else {
            return nil
        }
        let name = "over-" + key.split(whereSeparator: { $0 == "." || $0 == "_" }).joined(separator: "-")
        let attack = isClean ? "clean images" : runs.lazy.compactMap { $0.strongestAttack()?.name }.first ?? "attack"
        guard isClean || runs.contains(where: { $0.strongestAttack() != nil }) else { return nil }
        return chart.figure(
            isClean ? name + "-clean" : name, "Accuracy over \(key), \(attack)",
            "Means over seeds; level lines are runs without that setting. "
                + (published == nil ? "" : "Dashed dots are published values."))
    }

    private static func clean(_ run: ReportedRun) -> Double? {
        run.finalEvaluation?.rows.map(Verdict.init).first { $0.name == "clean" }?.accuracy
    }

    /// Accuracies over the radii of one attack.
    private var overRadius: Figure? {
        var chart = LineChart.shares("radius (255ths)", "accuracy")
        chart.ordinates = 0...0
        for (label, members) in groups(without: nil) {
            var values: [Double: [Double]] = [:]
            for run in members {
                let verdicts = (run.finalEvaluation?.rows ?? []).map(Verdict.init).filter {
                    !$0.isStage && $0.epsilon != nil && $0.radius?.hasPrefix("L∞") == true
                }
                let families = Dictionary(grouping: verdicts) { $0.family(without: .epsilon) }
                guard
                    let family = families.sorted(by: { $0.key < $1.key }).map(\.value).max(by: { $0.count < $1.count }),
                    family.count > 1
                else { continue }
                for verdict in family {
                    guard let epsilon = verdict.epsilon, let accuracy = verdict.accuracy else { continue }
                    values[epsilon * 255, default: []].append(accuracy)
                }
                if let clean = Self.clean(run) { values[0, default: []].append(clean) }
            }
            let points = values.sorted { $0.key < $1.key }.map {
                ($0.key, $0.value.reduce(0, +) / Double($0.value.count))
            }
            guard points.count > 1 else { continue }
            chart.series.append(
                LineChart.Series(name: label, style: ChartStyle.series(chart.series.count), points: points))
        }
        guard !chart.isEmpty, chart.series.count <= Self.mostLines else { return nil }
        return chart.figure(
            "over-radius", "Accuracy over the radius", "Means over seeds. At radius 0 images are clean.")
    }
}
