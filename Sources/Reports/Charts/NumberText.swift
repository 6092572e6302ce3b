import Foundation

/// How reports write numbers.
enum NumberText {
    /// A share as per cent with one decimal; a dash where there is none.
    static func percent(_ share: Double?) -> String {
        share.map { String(format: "%.1f%%", 100 * $0) } ?? "–"
    }

    /// A share as whole per cent where it is one, as ticks of axes are.
    static func roughPercent(_ share: Double) -> String { short(100 * share) + "%" }

    /// Few digits, without an exponent where that is short.
    static func short(_ value: Double) -> String { String(format: "%.4g", value == 0 ? 0 : value) }

    /// As ``short(_:)``; a dash where there is nothing.
    static func short(_ value: Double?) -> String { value.map { short($0) } ?? "–" }

    /// A radius or step of an l-infinity ball as a fraction of 255 where it is one of whole quarters, else a decimal number.
    static func radius(_ value: Double) -> String {
        let quarters = value * 255 * 4
        if abs(quarters - quarters.rounded()) < 1e-3, quarters >= 0.5 { return "\(short(quarters.rounded() / 4))/255" }
        return short(value)
    }

    /// The number that a setting such as `8/255` or `0.5` says; nil where it says none.
    static func fraction(_ text: String) -> Double? {
        let parts = text.split(separator: "/").map { Double($0.trimmingCharacters(in: .whitespaces)) }
        switch (parts.count, parts.first ?? nil, parts.last ?? nil) {
        case (1, let value?, _): return value
        case (2, let above?, let below?): return above / below
        default: return nil
        }
    }

    /// A time with a unit that suits it.
    static func seconds(_ value: Double) -> String {
        if value < 120 { return String(format: value < 10 ? "%.2f s" : "%.0f s", value) }
        if value < 7200 { return String(format: "%.1f min", value / 60) }
        return String(format: "%.1f h", value / 3600)
    }

    /// Thousands apart.
    static func count(_ value: Int) -> String {
        var digits = Array(String(value.magnitude))
        for place in stride(from: digits.count - 3, to: 0, by: -3) { digits.insert(",", at: place) }
        return (value < 0 ? "−" : "") + String(digits)
    }
}
