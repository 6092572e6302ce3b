import Foundation

// Named wrappers, so that the files that use them need not import Foundation and its other names.

func exponential(_ x: Double) -> Double { exp(x) }
func logarithm(_ x: Double) -> Double { log(x) }
func cosine(_ x: Double) -> Double { cos(x) }
func sine(_ x: Double) -> Double { sin(x) }

extension Sequence where Element: BinaryFloatingPoint {
    /// No NaN and no infinity.
    var areFinite: Bool { allSatisfy { $0.isFinite } }
    /// Whether every element is 0.
    var areZero: Bool { allSatisfy { $0 == 0 } }
}

/// Whether an environment variable is 1.
func isSet(_ name: String) -> Bool { ProcessInfo.processInfo.environment[name] == "1" }
