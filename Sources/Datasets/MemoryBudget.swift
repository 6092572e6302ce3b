import Foundation

/// The memory that images may take: that of a host, or of the job on it, and how many ranks share it.
package struct MemoryBudget: Equatable, Sendable {
    /// Bytes that the ranks of a host have together.
    package let bytes: Int
    /// How many ranks there are on the host.
    package let ranks: Int

    /// Makes the budget of a rank.
    /// - Parameters:
    ///   - jobLimit: The most bytes that the job may use on the host; nil where it may use what there is.
    ///   - ranks: The ranks on the host, at least 1.
    package init(jobLimit: Int? = nil, ranks: Int = 1) {
        precondition(ranks >= 1, "\(ranks) ranks on the host of this one")
        bytes = min(jobLimit ?? .max, Int(clamping: ProcessInfo.processInfo.physicalMemory))
        self.ranks = ranks
    }

    /// The most bytes of a split that a rank may hold: half of its share, since the network and its gradients want memory
    /// too.
    package var imagesOfRank: Int { bytes / 2 / ranks }

    /// The most bytes that one of a rank's decoders may take for a file and its picture: a quarter of the share over the
    /// threads that decode.
    func decoder(threads: Int) -> Int { bytes / 4 / ranks / max(1, threads) }

    /// Throws where the images of a split do not fit.
    /// - Parameters:
    ///   - count: How many images a rank would hold.
    ///   - size: The bytes of one.
    ///   - place: The folder or file that they are in, for the message.
    ///   - advice: What a person could do instead; empty where there is nothing.
    func check(_ count: Int, of size: Int, in place: String, advice: String = "") throws(DatasetError) {
        let (product, overflows) = count.multipliedReportingOverflow(by: size)
        let bytes = overflows ? Int.max : product
        guard bytes <= imagesOfRank else {
            throw .exceedsMemory(place: place, bytes: bytes, budget: self, advice: advice)
        }
    }
}
