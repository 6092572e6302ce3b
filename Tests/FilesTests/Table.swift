import Foundation
import SwiftCSV

/// Tables as another reader than ours sees them.
enum Table {
    /// The rows below the header, each by column name.
    static func rows(_ path: String) throws -> [[String: String]] {
        try CSV<Named>(url: URL(fileURLWithPath: path), delimiter: .comma, loadColumns: false).rows
    }

    /// The header and the rows as lists of fields.
    static func records(_ path: String) throws -> [[String]] {
        let table = try CSV<Enumerated>(url: URL(fileURLWithPath: path), delimiter: .comma, loadColumns: false)
        return [table.header] + table.rows
    }
}
