import Tensors

/// The order in which an epoch visits its samples, cut into steps and parts.
///
/// A function of the seed and the epoch alone: every number of ranks takes the same global batches, and every sample
/// comes exactly once an epoch. The last batch of an epoch may be short, and parts may be uneven or empty.
///
/// Where there are extra images, every batch has a fixed number of them, and a short one as many as keep their share, spread evenly
/// over its places; they are visited in rounds of their own, in which each comes once.
package struct EpochSampler: Sendable {
    /// The samples of an epoch, by index into the image set.
    package let samples: [Int]
    /// The samples of a step over all ranks, but for an epoch's last step.
    package let globalBatch: Int
    /// The run's seed.
    package let seed: UInt64
    /// What every batch has beside the samples; nil for nothing.
    package let extra: ExtraShare?

    /// Samples the images `0..<count`.
    package init(count: Int, globalBatch: Int, seed: UInt64) {
        self.init(samples: Array(0..<count), globalBatch: globalBatch, seed: seed)
    }

    /// Samples a subset of an image set.
    /// - Parameters:
    ///   - samples: Indices into the image set, at least one.
    ///   - globalBatch: The samples of a step over all ranks, at least 1.
    ///   - seed: The run's seed.
    ///   - extra: What every batch has beside the samples, fewer than `globalBatch`.
    package init(samples: [Int], globalBatch: Int, seed: UInt64, extra: ExtraShare? = nil) {
        precondition(!samples.isEmpty, "an epoch needs at least one sample")
        precondition(globalBatch >= 1, "a step needs at least one sample, got \(globalBatch)")
        precondition(
            extra.map { (1..<globalBatch).contains($0.ofBatch) && !$0.indices.isEmpty } ?? true,
            "extra images are from 1 to \(globalBatch - 1) of a batch")
        self.extra = extra
        self.samples = samples
        self.globalBatch = globalBatch
        self.seed = seed
    }

    /// The places of an epoch: its samples, and the extra images beside them.
    package var count: Int {
        let (full, rest) = samples.count.quotientAndRemainder(dividingBy: samplesOfBatch)
        return full * globalBatch + rest + extraImages(beside: rest)
    }
    /// The samples of a whole batch.
    private var samplesOfBatch: Int { globalBatch - (extra?.ofBatch ?? 0) }

    /// Extra images beside some samples of a batch: their share of a whole one, rounded.
    private func extraImages(beside count: Int) -> Int {
        guard let extra else { return 0 }
        return (2 * count * extra.ofBatch + samplesOfBatch) / (2 * samplesOfBatch)
    }

    /// The steps of an epoch, a short last one included.
    package var stepsPerEpoch: Int { (count - 1) / globalBatch + 1 }

    /// Returns the samples of a step over all ranks: its loss and gradients are divided by this number.
    /// - Parameter step: The step within the epoch, in `0..<stepsPerEpoch`.
    package func batchSize(step: Int) -> Int {
        precondition(step >= 0 && step < stepsPerEpoch, "step \(step) of an epoch of \(stepsPerEpoch)")
        return min(globalBatch, count - step * globalBatch)
    }

    /// Returns the samples of an epoch in the order in which they are visited (Fisher–Yates).
    package func permutation(epoch: Int) -> [Int] {
        var order = samples
        var stream = RandomStream(seed: seed, purpose: .shuffle, step: epoch)
        shuffle(&order, &stream)
        return order
    }

    /// Returns what an epoch visits, in order, extra images too.
    package func order(epoch: Int) -> [SamplePlace] {
        let samples = permutation(epoch: epoch)
        guard let extra else { return samples.map { SamplePlace(index: $0, round: epoch) } }
        var places: [SamplePlace] = []
        places.reserveCapacity(count)
        var next = 0
        var rounds = ExtraRounds(
            extra, seed: seed, from: epoch * (count - samples.count))
        for step in 0..<stepsPerEpoch {
            let size = batchSize(step: step)
            let extras = size - min(samplesOfBatch, samples.count - step * samplesOfBatch)
            for place in 0..<size {
                if (place + 1) * extras / size > place * extras / size {
                    places.append(rounds.next())
                } else {
                    places.append(SamplePlace(index: samples[next], round: epoch))
                    next += 1
                }
            }
        }
        return places
    }

    /// Returns where a part of a step lies in the epoch's permutation.
    ///
    /// Part p of P holds images ⌊pB/P⌋ to ⌊(p+1)B/P⌋ − 1 of the step's B.
    package func positions(step: Int, part: Int, of parts: Int) -> Range<Int> {
        precondition(part >= 0 && part < parts, "part \(part) of \(parts)")
        let size = batchSize(step: step)
        let start = step * globalBatch
        return start + part * size / parts..<start + (part + 1) * size / parts
    }

    /// Returns the samples of a part of a step; computes the epoch's permutation anew.
    /// - Parameters:
    ///   - epoch: The epoch, from 0.
    ///   - step: The step within the epoch, in `0..<stepsPerEpoch`.
    ///   - part: The part, in `0..<parts`; a rank, or a shard.
    ///   - parts: The number of parts that the step's samples are cut into.
    package func indices(epoch: Int, step: Int, part: Int, of parts: Int) -> ArraySlice<Int> {
        order(epoch: epoch).map(\.index)[positions(step: step, part: part, of: parts)]
    }
}

/// Sets a random part of the training images aside for validation.
/// - Parameters:
///   - count: The images of the set.
///   - fraction: The part that is set aside, in `0..<1`, rounded to whole images; above 0, it is at least one image and
///     leaves at least one.
///   - seed: The run's seed.
/// - Returns: Indices of both parts, each ascending; together they are `0..<count`.
package func trainValidationSplit(count: Int, fraction: Double, seed: UInt64) -> (train: [Int], validation: [Int]) {
    precondition(fraction >= 0 && fraction < 1, "a validation fraction is in 0..<1, got \(fraction)")
    let rounded = Int((Double(count) * fraction).rounded())
    let validationCount = fraction > 0 ? min(max(1, rounded), max(0, count - 1)) : 0
    var order = Array(0..<count)
    var stream = RandomStream(seed: seed, purpose: .split)
    shuffle(&order, &stream)
    return (order.dropFirst(validationCount).sorted(), order.prefix(validationCount).sorted())
}

/// What a batch has beside the samples of its epoch.
package struct ExtraShare: Sendable {
    /// The extra images, by numbers that no sample has.
    package let indices: Range<Int>
    /// Extra images of a whole batch, at least 1.
    package let ofBatch: Int

    /// Makes a share; see the properties.
    package init(indices: Range<Int>, ofBatch: Int) {
        self.indices = indices
        self.ofBatch = ofBatch
    }
}

/// An image at its place in an epoch.
package struct SamplePlace: Equatable, Sendable {
    /// The image.
    package let index: Int
    /// How often all images of its kind have been visited before, which tells its random changes from those of other visits.
    package let round: Int
}

/// The extra images from a place on, round after round, each round in an order of its own.
private struct ExtraRounds {
    private let extra: ExtraShare
    private let seed: UInt64
    private var place: Int
    private var order: [Int] = []
    private var round = -1

    init(_ extra: ExtraShare, seed: UInt64, from place: Int) {
        self.extra = extra
        self.seed = seed
        self.place = place
    }

    mutating func next() -> SamplePlace {
        let (current, within) = place.quotientAndRemainder(dividingBy: extra.indices.count)
        if current != round {
            round = current
            order = Array(extra.indices)
            var stream = RandomStream(seed: seed, purpose: .extraShuffle, step: current)
            shuffle(&order, &stream)
        }
        place += 1
        return SamplePlace(index: order[within], round: current)
    }
}

/// Puts the items into a uniformly random order; written out, since the standard library may change its own.
private func shuffle(_ items: inout [Int], _ stream: inout RandomStream) {
    for last in stride(from: items.count - 1, through: 1, by: -1) {
        items.swapAt(last, stream.integer(below: last + 1))
    }
}
