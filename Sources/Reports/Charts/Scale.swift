import Foundation

/// Where the values of an axis lie in a drawing.
struct Scale: Sendable {
    /// The least and the largest value.
    let domain: ClosedRange<Double>
    /// The places of both, in the drawing's units.
    let places: (low: Double, high: Double)
    /// Whether equal ratios, rather than differences, are equally far apart.
    let isLogarithmic: Bool
    /// Values that have a tick.
    let ticks: [Double]

    /// A scale whose domain is as given.
    /// - Parameter ticks: About how many ticks are wanted, at round values.
    init(_ domain: ClosedRange<Double>, from low: Double, to high: Double, ticks: Int = 5) {
        self.domain = domain
        places = (low, high)
        isLogarithmic = false
        self.ticks = Self.roundValues(in: domain, count: ticks)
    }

    /// A scale of ratios, between powers of ten; every value must be above 0.
    init(logarithmic values: ClosedRange<Double>, from low: Double, to high: Double) {
        var exponents = (floor(log10(values.lowerBound)), ceil(log10(values.upperBound)))
        if exponents.0 == exponents.1 { exponents.1 += 1 }
        domain = pow(10, exponents.0)...pow(10, exponents.1)
        places = (low, high)
        isLogarithmic = true
        ticks = stride(from: exponents.0, through: exponents.1, by: 1).map { pow(10, $0) }
    }

    /// The place of a value; one beyond the domain is put at its end.
    func callAsFunction(_ value: Double) -> Double {
        let value = min(max(value, domain.lowerBound), domain.upperBound)
        let (low, high) = (domain.lowerBound, domain.upperBound)
        guard high > low else { return (places.low + places.high) / 2 }
        let share =
            isLogarithmic ? log(value / low) / log(high / low) : (value - low) / (high - low)
        return places.low + share * (places.high - places.low)
    }

    /// Multiples of 1, 2 or 5 times a power of ten that lie in a range, up to what tables round.
    static func roundValues(in range: ClosedRange<Double>, count: Int) -> [Double] {
        let step = roundStep((range.upperBound - range.lowerBound) / Double(max(1, count)))
        guard step > 0, step.isFinite else { return [range.lowerBound] }
        let first = (range.lowerBound / step - 1e-6).rounded(.up)
        let last = (range.upperBound / step + 1e-6).rounded(.down)
        return stride(from: first, through: last, by: 1).map { $0 * step }
    }

    /// A range that covers values and ends at round ones.
    static func roundRange(_ values: [Double], includingZero: Bool = false) -> ClosedRange<Double> {
        let all = values.filter(\.isFinite) + (includingZero ? [0] : [])
        guard let low = all.min(), let high = all.max() else { return 0...1 }
        guard high > low else {
            let margin = max(abs(high) * 0.1, 1e-9)
            return (includingZero && low >= 0 ? 0 : low - margin)...(high + margin)
        }
        let step = roundStep((high - low) / 5)
        return ((low / step).rounded(.down) * step)...((high / step).rounded(.up) * step)
    }

    private static func roundStep(_ rough: Double) -> Double {
        guard rough > 0, rough.isFinite else { return 0 }
        let power = pow(10, floor(log10(rough)))
        return ([1, 2, 5].first { $0 * power >= rough * (1 - 1e-9) } ?? 10) * power
    }
}
