import Foundation

/// The name that ties the rows of a run's tables together.
package enum RunIdentifier {
    /// A new random identifier of 12 hexadecimal digits (48 bits).
    ///
    /// Rank zero draws it once a run; a resumed run keeps the one in its checkpoint.
    package static func random() -> String {
        // The first 12 digits of a version 4 UUID are all random; the 13th is the version.
        String(UUID().uuidString.filter { $0 != "-" }.prefix(12)).lowercased()
    }
}
