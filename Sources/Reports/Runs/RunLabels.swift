import Files

/// Short names by which the runs of a report are told apart.
enum RunLabels {
    /// A name for each run: of a sweep's run its values on the axes that vary, else as much of the end of its path as tells
    /// it from the others.
    static func labels(of runs: [ReportedRun]) -> [String] {
        let names = runs.map { $0.axes.isEmpty ? nil : axesLabel($0, among: runs) }
        var labels = zip(names, pathLabels(runs.map(\.path))).map { $0 ?? $1 }
        // What does not tell runs apart is not enough.
        for (index, label) in labels.enumerated() where labels.count(where: { $0 == label }) > 1 {
            labels[index] = runs[index].path
        }
        return labels
    }

    private static func axesLabel(_ run: ReportedRun, among runs: [ReportedRun]) -> String? {
        let varying = run.axes.filter { axis in
            let values = runs.compactMap { other in other.axes.first { $0.name == axis.name }?.value }
            return Set(values).count > 1 || runs.count == 1
        }
        return varying.isEmpty ? nil : varying.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
    }

    private static func pathLabels(_ paths: [String]) -> [String] {
        let parts = paths.map { $0.split(separator: "/").map(String.init) }
        let deepest = parts.map(\.count).max() ?? 0
        for depth in 1...max(1, deepest) {
            let labels = parts.map { $0.suffix(depth).joined(separator: "/") }
            if Set(labels).count == labels.count { return labels }
        }
        return paths
    }
}
