import Files

/// A directory with tables of a run, all read.
struct RunPlace: Sendable {
    /// What was done in a directory.
    enum Work: Sendable {
        /// `robustmoe train`.
        case training
        /// `robustmoe evaluate`.
        case evaluation
        /// `robustmoe experts`.
        case experts
    }

    /// The directory.
    let path: String
    let work: Work
    /// The run that the tables are of; nil where no table has a row.
    let runID: String?
    let settings: RunSettings
    private let tables: [RunTable: [TextRow]]

    /// Reads a directory.
    /// - Throws: ``ReportError`` if there are no tables, or one cannot be read.
    init(path: String) throws {
        let files = try RunTables(path: path)
        var tables: [RunTable: [TextRow]] = [:]
        for table in RunTable.allCases { tables[table] = try files.rows(table) }
        let rows = { tables[$0] ?? [] }
        let isTraining =
            FileSystem.isDirectory(FileSystem.join(path, RunDirectory.checkpointsName))
            || rows(.metrics).contains { $0["split"] == "train" }
        work = isTraining ? .training : FileSystem.exists(files.file(.fixedExperts)) ? .experts : .evaluation
        runID = RunTable.allCases.lazy.compactMap { rows($0).first?["run_id"] }.first
        settings = try RunSettings(path: FileSystem.join(path, "config.yaml"))
        self.path = path
        self.tables = tables
    }

    /// The rows of a table, none where it is missing.
    func rows(_ table: RunTable) -> [TextRow] { tables[table] ?? [] }

    /// The path of a file there.
    func file(_ name: String) -> String { FileSystem.join(path, name) }

    /// The bytes of a file there; nil where there is none.
    func bytes(_ name: String) -> [UInt8]? {
        guard let file = try? InputFile(self.file(name)) else { return nil }
        return try? file.prefix(file.size)
    }

    /// The text of a file there; nil where there is none.
    func text(_ name: String) -> String? { try? FileSystem.text(of: file(name)) }
}
