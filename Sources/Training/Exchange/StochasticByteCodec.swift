import Networks
import Tensors

/// Gradients as signed bytes beside a norm for each parameter (QSGD, Alistarh et al., arXiv:1610.02132; in adversarial training
/// DAT, Zhang et al., arXiv:2206.06257).
///
/// Of a run g of one parameter with norm n, an element is n · k / 127 with k the whole number below or above 127 g / n,
/// drawn so that its mean is 127 g / n: what is read is right on average, and off by at most n / 127. A norm that is not finite
/// makes all of it not a number. The norm is the papers' Euclidean one, or the largest magnitude, where errors must be small
/// beside g whatever its length.
///
/// Draws are a function of seed, step, update, rank and place.
final class StochasticByteCodec: GradientWireCodec {
    /// What bytes are parts of.
    enum Norm {
        case euclidean
        case largest
    }

    private static let levels: Float = 127
    private static let headBytes = 4
    private static let wordsAtOnce = 2048

    private let seed: UInt64
    private let rank: Int
    private let norm: Norm
    /// Where parameters end, rising, the arena's padding between them.
    private let ends: [Int]
    private var step = 0
    private var update = 0
    private(set) var squares = (error: 0.0, gradient: 0.0)

    init(_ parameters: Parameters, seed: UInt64, rank: Int, norm: Norm = .euclidean) {
        self.seed = seed
        self.rank = rank
        self.norm = norm
        let slots = parameters.slots.filter { !$0.isStatistic }
        // A slot begins where the one before ends, padding and all.
        ends = slots.dropFirst().map(\.offset) + [parameters.parameterCount]
    }

    func begin(step: Int, update: Int) {
        (self.step, self.update) = (step, update)
        squares = (0, 0)
    }

    func size(of range: Range<Int>) -> Int { pieces(of: range).count * Self.headBytes + range.count }

    func encode(
        _ values: UnsafePointer<Float>, _ range: Range<Int>, into bytes: UnsafeMutablePointer<UInt8>, isSum: Bool
    ) {
        var place = bytes
        for piece in pieces(of: range) {
            let own = values + (piece.lowerBound - range.lowerBound)
            let square = (0..<piece.count).reduce(0.0) { $0 + Double(own[$1]) * Double(own[$1]) }
            let norm = length(own, piece.count, square: square)
            UnsafeMutableRawPointer(place).storeBytes(of: norm, as: Float.self)
            place += Self.headBytes
            var error = square
            // A norm near the least float has no reciprocal: then all that is lost is nothing.
            if norm > 0, norm.isFinite, (Self.levels / norm).isFinite {
                var stream = RandomStream(
                    seed: seed, purpose: .wire, step: step, index: key(piece.lowerBound, isSum: isSum))
                error = write(own, piece.count, norm, &stream, to: place)
            } else {
                place.update(repeating: 0, count: piece.count)
            }
            if !isSum { squares = (squares.error + error, squares.gradient + square) }
            place += piece.count
        }
    }

    func decode(_ bytes: UnsafePointer<UInt8>, _ range: Range<Int>, into values: UnsafeMutablePointer<Float>) {
        var place = bytes
        for piece in pieces(of: range) {
            let unit = UnsafeRawPointer(place).loadUnaligned(as: Float.self) / Self.levels
            place += Self.headBytes
            let own = values + (piece.lowerBound - range.lowerBound)
            for index in 0..<piece.count { own[index] = unit * Float(Int8(bitPattern: place[index])) }
            place += piece.count
        }
    }

    /// Writes elements as parts of their norm, rounded at random; returns the sum of their errors' squares.
    private func write(
        _ values: UnsafePointer<Float>, _ count: Int, _ norm: Float, _ stream: inout RandomStream,
        to bytes: UnsafeMutablePointer<UInt8>
    ) -> Double {
        let (scale, unit) = (Self.levels / norm, norm / Self.levels)
        var error = 0.0
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: Self.wordsAtOnce) { words in
            for start in stride(from: 0, to: count, by: Self.wordsAtOnce) {
                let part = min(Self.wordsAtOnce, count - start)
                stream.fill(UnsafeMutableBufferPointer(rebasing: words[..<part]))
                for index in 0..<part {
                    let value = values[start + index]
                    let scaled = value * scale
                    let below = scaled.rounded(.down)
                    let level = below + (RandomStream.uniform(words[index]) < scaled - below ? 1 : 0)
                    bytes[start + index] = UInt8(bitPattern: Int8(max(-Self.levels, min(Self.levels, level))))
                    let difference = Double(level * unit - value)
                    error += difference * difference
                }
            }
        }
        return error
    }

    /// The norm of elements whose squares add up to `square`.
    private func length(_ values: UnsafePointer<Float>, _ count: Int, square: Double) -> Float {
        // A largest magnitude would not see what is no number; the sum of squares does.
        if norm == .euclidean || !square.isFinite { return Float(square.squareRoot()) }
        return (0..<count).reduce(0) { max($0, values[$1].magnitude) }
    }

    /// What tells the draws of a piece from others of the same step.
    private func key(_ place: Int, isSum: Bool) -> Int {
        ((update << 1 | (isSum ? 1 : 0)) << 20 | rank) << 36 | place
    }

    /// The runs of a range that belong to one parameter each.
    private func pieces(of range: Range<Int>) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var start = range.lowerBound
        for end in ends where end > start {
            if start >= range.upperBound { break }
            result.append(start..<min(end, range.upperBound))
            start = end
        }
        return result
    }
}
