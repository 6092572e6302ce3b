import Foundation
import SwiftCSV

/// The tables of a run directory, as text cells by column name.
package struct RunTables: Sendable {
    /// The run directory.
    package let path: String
    /// Rows of `metrics.csv`.
    package let metrics: [[String: String]]
    /// Rows of `experts.csv`.
    package let experts: [[String: String]]
    /// Rows of `routing.csv`.
    package let routing: [[String: String]]
    /// Rows of `evaluation.csv`.
    package let evaluation: [[String: String]]

    /// Reads the tables; one that is missing counts as empty, but a directory without any is no run.
    package init(path: String) throws {
        self.path = path
        let names = ["metrics.csv", "experts.csv", "routing.csv", "evaluation.csv"]
        guard names.contains(where: { FileManager.default.fileExists(atPath: "\(path)/\($0)") }) else {
            throw ReportError(
                description:
                    "\(path): expected a run directory with \(names.joined(separator: ", ")), found none of them")
        }
        metrics = try RunTables.rows("\(path)/metrics.csv")
        experts = try RunTables.rows("\(path)/experts.csv")
        routing = try RunTables.rows("\(path)/routing.csv")
        evaluation = try RunTables.rows("\(path)/evaluation.csv")
    }

    private static func rows(_ path: String) throws -> [[String: String]] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        do {
            return try CSV<Named>(url: URL(fileURLWithPath: path), delimiter: .comma, loadColumns: false).rows
        } catch {
            throw ReportError(description: "\(path): expected a table with a header, found \(error)")
        }
    }
}

/// A run that cannot be reported.
package struct ReportError: Error, CustomStringConvertible {
    /// What was expected and found.
    package let description: String
}
