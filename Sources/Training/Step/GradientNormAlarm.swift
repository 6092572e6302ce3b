/// Watches the norm of the gradient: one far above those before it is often the first sign of a run that diverges.
package struct GradientNormAlarm {
    /// The last so many updates are compared with.
    package static let span = 100
    /// Fewer say nothing yet.
    package static let fewest = 20

    private let factor: Double
    /// The norms of the last updates, the oldest first.
    private var norms: [Double] = []
    private var isAbove = false

    /// Makes an alarm that has seen nothing.
    /// - Parameter factor: How many times the median is too much, above 1.
    package init(factor: Double) { self.factor = factor }

    /// Takes note of an update's norm.
    /// - Returns: The median of those before it, where the norm is too far above that and the one before was not.
    package mutating func note(_ norm: Double) -> Double? {
        defer {
            norms.append(norm)
            if norms.count > Self.span { norms.removeFirst() }
        }
        guard norms.count >= Self.fewest else { return nil }
        let median = norms.sorted()[norms.count / 2]
        let wasAbove = isAbove
        isAbove = norm > factor * median
        return isAbove && !wasAbove ? median : nil
    }
}
