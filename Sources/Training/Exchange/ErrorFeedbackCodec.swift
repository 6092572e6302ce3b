import Collectives

/// A codec that sends later what an encoding leaves out.
///
/// That is error feedback (Seide et al. 2014; Karimireddy et al., arXiv:1901.09847).
/// Of gradients g and what is left of before, e, it writes g + e, and keeps e ← g + e − what is read of it. The rank that encodes
/// a sum keeps what that leaves out beside its own: so what all updates together are short of is the sum of all ranks' e, whatever
/// their number.
final class ErrorFeedbackCodec: GradientWireCodec {
    /// What this rank has not sent, laid out like the arena.
    private(set) var residual: [Float]

    private let codec: any GradientWireCodec
    private var sent: [Float] = []
    private var read: [Float] = []

    /// Begins with nothing left out.
    /// - Parameters:
    ///   - codec: What writes. Its error must be smaller than what it writes, or what is left grows from step to step.
    ///   - count: The arena's elements.
    init(_ codec: any GradientWireCodec, count: Int) {
        self.codec = codec
        residual = [Float](repeating: 0, count: count)
    }

    /// Of what was written, what is left of before included.
    var squares: (error: Double, gradient: Double) { codec.squares }

    func begin(step: Int, update: Int) { codec.begin(step: step, update: update) }

    func size(of range: Range<Int>) -> Int { codec.size(of: range) }

    func encode(
        _ values: UnsafePointer<Float>, _ range: Range<Int>, into bytes: UnsafeMutablePointer<UInt8>, isSum: Bool
    ) {
        if sent.count < range.count {
            sent = [Float](repeating: 0, count: range.count)
            read = sent
        }
        residual.withUnsafeMutableBufferPointer { whole in
            let residual = UnsafeMutableBufferPointer(rebasing: whole[range])
            sent.withUnsafeMutableBufferPointer { sent in
                // A sum has what is left of before already: its ranks have added theirs.
                for index in residual.indices { sent[index] = isSum ? values[index] : values[index] + residual[index] }
            }
            codec.encode(sent, range, into: bytes, isSum: isSum)
            codec.decode(bytes, range, into: &read)
            for index in residual.indices {
                let left = sent[index] - read[index]
                residual[index] = isSum ? residual[index] + left : left
            }
        }
    }

    func decode(_ bytes: UnsafePointer<UInt8>, _ range: Range<Int>, into values: UnsafeMutablePointer<Float>) {
        codec.decode(bytes, range, into: values)
    }

    /// Keeps a part of a sum, which was sent and is of no use now, for later; one rank alone.
    func keep(_ sum: UnsafeMutableBufferPointer<Float>, _ range: Range<Int>) {
        for index in range { residual[index] += sum[index] }
    }

    /// Takes up what a rank had left.
    func restore(_ values: [Float]) { residual = values }
}
