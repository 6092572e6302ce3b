/// What a rank sent of gradients, and how far off that was.
package struct WireTotals: Codable, Equatable, Sendable {
    /// Bytes sent to other ranks.
    package private(set) var bytes = 0
    private var errorSquares = 0.0
    private var gradientSquares = 0.0

    /// Nothing sent.
    package init() {}

    /// Adds an update that has been exchanged.
    mutating func add(_ exchange: GradientExchange) {
        bytes += exchange.bytesSent
        guard let squares = exchange.wireSquares else { return }
        errorSquares += squares.error
        gradientSquares += squares.gradient
    }

    /// Adds what other steps sent.
    mutating func add(_ other: WireTotals) {
        bytes += other.bytes
        errorSquares += other.errorSquares
        gradientSquares += other.gradientSquares
    }

    /// ‖g̃ − g‖ / ‖g‖ of this rank's gradients; nil where they went as they are.
    package var error: Double? { gradientSquares > 0 ? (errorSquares / gradientSquares).squareRoot() : nil }
}
