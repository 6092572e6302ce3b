import Collectives
import Networks

/// How gradients are written for other ranks.
package enum GradientWire: String, CaseIterable, Sendable {
    /// As they are.
    case float32
    /// In two bytes, the upper half of a float, rounded to nearest, ties to even; sums are floats.
    case bfloat16
    /// In one byte, rounded at random so that they are right on average, beside a norm for each parameter.
    case int8

    /// Bytes of an element on its way; norms of parameters, a few bytes each, left aside.
    package var bytesOfElement: Int {
        switch self {
        case .float32: 4
        case .bfloat16: 2
        case .int8: 1
        }
    }

    /// Makes what writes and reads them; nil where nothing is to be done.
    /// - Parameters:
    ///   - seed: What random numbers are drawn from.
    ///   - rank: Whose gradients are written.
    ///   - feedsBack: Whether what is sent leaves out something that is to be sent later. An error by the Euclidean norm, up to
    ///     √d / 127 of a parameter of d elements, would grow so: bytes then have the largest magnitude for their norm.
    func codec(
        _ parameters: Parameters, seed: UInt64, rank: Int, feedsBack: Bool = false
    ) -> (any GradientWireCodec)? {
        switch self {
        case .float32: nil
        case .bfloat16: BFloat16Codec()
        case .int8: StochasticByteCodec(parameters, seed: seed, rank: rank, norm: feedsBack ? .largest : .euclidean)
        }
    }
}

/// A codec that knows which update it writes, and tells how far off it is.
package protocol GradientWireCodec: GradientCodec {
    /// Begins an update of a step; the same update draws the same numbers.
    func begin(step: Int, update: Int)
    /// Σ (g̃ − g)² and Σ g² over what this rank has written of its own gradients since ``begin(step:update:)``.
    var squares: (error: Double, gradient: Double) { get }
}
