import Files
import Foundation

/// A grid of runs, each in a directory of its own below the sweep's (`sweep.json`, which `launch/sweep` writes).
package struct Sweep: Sendable {
    /// A run of the grid.
    package struct Run: Decodable, Sendable {
        /// Its name, and that of its directory.
        package let run: String
        /// What it stands for on each axis of the grid.
        package let values: [String]
        /// What became of it.
        package let status: String
    }

    private struct Contents: Decodable {
        let columns: [String]
        let runs: [Run]
    }

    /// What a run's rows come from, in the order in which they are put below each other: the run itself, and what was
    /// evaluated in directories within its own.
    package enum Stage: String, CaseIterable, Sendable {
        case train, evaluate, experts
    }

    /// The sweep's directory.
    package let path: String
    /// The names of the grid's axes.
    package let columns: [String]
    /// The runs in their order.
    package let runs: [Run]

    /// Reads what runs there are.
    package init(path: String) throws {
        self.path = path
        let file = FileSystem.join(path, Self.fileName)
        guard FileSystem.exists(file) else {
            throw ReportError(description: "\(path): expected a sweep's directory, with \(Self.fileName), found none")
        }
        let contents: Contents
        do {
            contents = try JSONDecoder().decode(Contents.self, from: Data(FileSystem.text(of: file).utf8))
        } catch {
            throw ReportError(description: "\(file): expected columns and runs, found \(error)")
        }
        columns = contents.columns
        runs = contents.runs
        for run in runs where !FileSystem.isPlainName(run.run) {
            throw ReportError(
                description: "\(file): expected plain names of runs, found \(run.run.printableLine)")
        }
        for run in runs where run.values.count != columns.count {
            throw ReportError(
                description: "\(file): expected \(columns.count) values of \(run.run), found \(run.values.count)")
        }
    }

    /// Reads what runs there are; nil where the path is no sweep's.
    init?(ifAt path: String) throws {
        guard FileSystem.exists(FileSystem.join(path, Self.fileName)) else { return nil }
        try self.init(path: path)
    }

    /// The directories that a path given by a user means: those of a sweep's runs that have begun, or the path itself.
    package static func runs(_ path: String) throws -> [String] {
        try Sweep(ifAt: path).map { sweep in
            try sweep.begunRuns().map { FileSystem.join(path, $0.run) }
        } ?? [path]
    }

    /// The runs that have left tables.
    /// - Throws: ``ReportError`` if there are none.
    func begunRuns() throws -> [Run] {
        let begun = runs.filter { RunTables.areAt(FileSystem.join(path, $0.run)) }
        guard !begun.isEmpty else {
            throw ReportError(description: "\(path): expected directories of the sweep's runs, found none")
        }
        return begun
    }

    private static let fileName = "sweep.json"

    /// The first cells of every row of a run: its name and its values.
    func leading(_ run: Run) -> TextRow {
        var row = TextRow()
        row["run"] = run.run
        for (column, value) in zip(columns, run.values) { row[column] = value }
        return row
    }

    /// The rows of one of a run's tables, none where it is missing.
    func rows(_ table: RunTable, of run: Run, _ stage: Stage) throws -> [TextRow] {
        let directory = FileSystem.join(path, run.run)
        let place = stage == .train ? directory : FileSystem.join(directory, stage.rawValue)
        return try TextTable(FileSystem.join(place, table.fileName)).rows
    }

    /// Writes the tables of all runs below each other, under the sweep's columns, and `runs.csv`, a row a run.
    /// - Returns: The rows of `runs.csv`.
    package func join() throws -> [TextRow] {
        for table in RunTable.allCases where table.isJoined {
            var joined = TextTable()
            for run in runs {
                for stage in Stage.allCases {
                    joined.rows += try rows(table, of: run, stage).map { joinedRow($0, run, stage) }
                }
            }
            if !joined.rows.isEmpty { try joined.write(to: FileSystem.join(path, table.fileName)) }
        }
        var summary = TextTable()
        summary.rows = try runs.map { try SweepSummary(self, $0).row }
        try summary.write(to: FileSystem.join(path, "runs.csv"))
        return summary.rows
    }

    private func joinedRow(_ row: TextRow, _ run: Run, _ stage: Stage) -> TextRow {
        var result = leading(run)
        result["stage"] = stage.rawValue
        let own = Set(result.columns).union(["schema_version", "run_id"])
        for column in row.columns where !own.contains(column) { result[column] = row[column] }
        return result
    }
}
