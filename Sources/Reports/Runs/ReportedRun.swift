import Files

/// A run as reports show it: its training and what was evaluated of it, wherever that lies.
package struct ReportedRun: Sendable {
    /// What tells it from the other runs of the report.
    package internal(set) var label: String
    /// The directory that was named first, where reports of it alone go.
    package let path: String
    /// Its directories: those named, and within them what `launch/sweep` makes there.
    var places: [RunPlace]
    /// The values of a sweep's axes, with their names; none outside of sweeps.
    let axes: [(name: String, value: String)]

    /// Where it was trained, if that is among the directories.
    var training: RunPlace? { places.first { $0.work == .training } }
    /// Where its experts were evaluated one by one.
    var experts: RunPlace? { places.last { $0.work == .experts } }
    /// Where `evaluate` or, where there is none, `experts` put its tables of images and classes.
    var evaluation: RunPlace? { places.last { $0.work == .evaluation } ?? experts }

    /// The settings: those of the training where these are known.
    var settings: RunSettings { (training ?? places[0]).settings }

    /// The rows of the last evaluation, where one was made on purpose that one's, with the directory they are from: they share
    /// a checkpoint.
    var finalEvaluation: (place: RunPlace, rows: [TextRow])? {
        guard let place = [evaluation, training].compactMap({ $0 }).first(where: { !$0.rows(.evaluation).isEmpty })
        else { return nil }
        let rows = place.rows(.evaluation)
        return (place, rows.filter { $0["checkpoint"] == rows.last?["checkpoint"] })
    }

    /// The rows of a table about the last evaluation: those of its directory, of the last step that any is of.
    func finalRows(_ table: RunTable) -> [TextRow] {
        let candidates = [evaluation, experts, training].compactMap { $0 }
        let rows = candidates.lazy.map { $0.rows(table).filter { $0["split"] != "train" } }.first { !$0.isEmpty } ?? []
        guard let step = rows.last?["step"] else { return rows }
        return rows.filter { $0["step"] == step }
    }

    /// The attack of the last evaluation that leaves least, those of the radius of training before others; stages of ladders
    /// aside.
    /// - Parameter names: Kinds of inputs among which it is to be; nil for any.
    func strongestAttack(among names: [String]? = nil) -> Verdict? {
        let verdicts = (finalEvaluation?.rows ?? []).map(Verdict.init).filter { verdict in
            !verdict.isClean && !verdict.isWorstCase && !verdict.isStage
                && names.map { $0.contains(verdict.name) } ?? true
        }
        let trained = settings["attack.epsilon"].flatMap(NumberText.fraction)
        let alike = verdicts.filter { verdict in
            trained.flatMap { radius in verdict.epsilon.map { abs($0 - radius) < 1e-6 } } ?? false
        }
        return (alike.isEmpty ? verdicts : alike).min { $0.accuracy ?? 1 < $1.accuracy ?? 1 }
    }

    /// Reads run directories, and sweeps', which stand for their runs; directories of one run become one.
    ///
    /// - Throws: ``ReportError`` if a path is none of these.
    package static func read(_ paths: [String]) throws -> [ReportedRun] {
        var runs: [ReportedRun] = []
        for path in paths {
            guard let sweep = try Sweep(ifAt: path) else {
                add(try ReportedRun(path, axes: []), to: &runs)
                continue
            }
            for run in try sweep.begunRuns() {
                let place = FileSystem.join(path, run.run)
                add(try ReportedRun(place, axes: Array(zip(sweep.columns, run.values))), to: &runs)
            }
        }
        let labels = RunLabels.labels(of: runs)
        for index in runs.indices { runs[index].label = labels[index] }
        return runs
    }

    private init(_ path: String, axes: [(String, String)]) throws {
        self.path = path
        self.axes = axes.map { (name: $0.0, value: $0.1) }
        label = path
        places = [try RunPlace(path: path)]
        for stage in Sweep.Stage.allCases where stage != .train {
            let inner = FileSystem.join(path, stage.rawValue)
            if RunTables.areAt(inner) { places.append(try RunPlace(path: inner)) }
        }
    }

    /// Adds a run, or its directories to the run that they are of.
    private static func add(_ run: ReportedRun, to runs: inout [ReportedRun]) {
        let identifiers = Set(run.places.compactMap(\.runID))
        let isTraining = run.training != nil
        let own = runs.firstIndex { other in
            other.places.contains { place in place.runID.map(identifiers.contains) == true }
                && !(isTraining && other.training != nil)
        }
        if let own { runs[own].places += run.places } else { runs.append(run) }
    }
}
