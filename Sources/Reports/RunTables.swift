import Files

/// The tables of a run directory, as text.
package struct RunTables: Sendable {
    /// The run directory.
    package let path: String

    /// Finds the tables; a directory without any is no run.
    package init(path: String) throws(ReportError) {
        self.path = path
        guard Self.areAt(path) else {
            let names = RunTable.allCases.map(\.fileName).joined(separator: ", ")
            throw ReportError(
                description: "\(path): expected a run directory with one of \(names), found none of them")
        }
    }

    /// Whether there is any at a path.
    package static func areAt(_ path: String) -> Bool {
        RunTable.allCases.contains { FileSystem.exists(FileSystem.join(path, $0.fileName)) }
    }

    /// The path of a table.
    func file(_ table: RunTable) -> String { FileSystem.join(path, table.fileName) }

    /// The rows of a table, none where it is missing.
    package func rows(_ table: RunTable) throws -> [TextRow] {
        try TextTable(file(table)).rows
    }
}

/// A run that cannot be reported.
package struct ReportError: ErrorWithStatus, CustomStringConvertible {
    /// What was expected and found.
    package let description: String

    package var exitStatus: ExitStatus { .data }
}
