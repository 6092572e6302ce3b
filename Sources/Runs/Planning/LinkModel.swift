import Collectives
import Foundation

/// How long sums over all ranks take, by the algorithms that the library adds them up with.
///
/// Gradients that are encoded on their way go to the rank that adds them, and their sum to all, in as many messages and bytes as
/// around a ring, however short.
///
/// Long vectors go around a ring, in which each rank sends 2(p − 1)/p of the vector in 2(p − 1) messages; short ones up and down a
/// binomial tree, the whole of them 2⌈log₂ p⌉ times (Thakur, Rabenseifner and Gropp, 2005). Between hosts the links of all hosts
/// work at once, so that one host's counts.
struct LinkModel {
    let link: MeasuredRates.Link

    /// Seconds of the sum of `bytes` over `ranks` ranks.
    /// - Parameter isEncoded: Whether they are bytes of encoded gradients.
    func seconds(bytes: Int, ranks: Int, isEncoded: Bool = false) -> Double {
        guard ranks > 1 else { return 0 }
        let (size, latency, rate) = (Double(ranks), link.latencySeconds, link.bytesPerSecond)
        if isEncoded || isRing(bytes: bytes, ranks: ranks) {
            return 2 * (size - 1) * latency + 2 * (size - 1) / size * Double(bytes) / rate
        }
        return 2 * log2(size).rounded(.up) * (latency + Double(bytes) / rate)
    }

    /// Whether a vector is long enough for the ring.
    func isRing(bytes: Int, ranks: Int) -> Bool {
        bytes / MemoryLayout<Float>.stride / ranks >= ReductionAlgorithm.leastPart
    }

    /// The link that sums of two lengths over so many ranks were measured with.
    /// - Parameters:
    ///   - short: Seconds of the sum of a few bytes.
    ///   - long: Seconds of the sum of `bytes`.
    static func fitted(short: Double, long: Double, bytes: Int, ranks: Int, origin: String) -> MeasuredRates.Link {
        let size = Double(ranks)
        let latency = short / (2 * log2(size).rounded(.up))
        let probe = LinkModel(link: .init(latencySeconds: 0, bytesPerSecond: 1, origin: origin))
        let moved = probe.seconds(bytes: bytes, ranks: ranks)
        let waits = probe.isRing(bytes: bytes, ranks: ranks) ? 2 * (size - 1) * latency : short
        return MeasuredRates.Link(
            latencySeconds: latency, bytesPerSecond: moved / max(long - waits, long / 10), origin: origin)
    }
}
