import Tensors

/// What one rank works on in a step: augmented images of its part of the global batch, shard by shard.
package struct PreparedBatch {
    /// The epoch, from 0.
    package let epoch: Int
    /// The step within the epoch, from 0.
    package let step: Int
    /// Images in [0, 1], one tensor `[images, height, width, channels]` a shard; a shard may have no image.
    package let images: [Tensor]
    /// The class of each image, shard by shard.
    package let labels: [[Int32]]
    /// The index of each image in the image set, shard by shard: what its random draws belong to; extra images
    /// follow those of the set.
    package let indices: [[Int]]
    /// The images of the step over all ranks: losses and gradients are divided by this number.
    package let globalSize: Int

    /// Makes a batch; see the properties.
    package init(
        epoch: Int, step: Int, images: [Tensor], labels: [[Int32]], indices: [[Int]], globalSize: Int
    ) {
        self.epoch = epoch
        self.step = step
        self.images = images
        self.labels = labels
        self.indices = indices
        self.globalSize = globalSize
    }
}

/// Prepares the batches of one rank, the next one always beside the computation of the present one.
///
/// The step's images are cut into ranks × shards parts; a rank holds `shardsPerRank` neighbouring ones, so the parts do
/// not depend on the number of ranks where their total does not. Tensors come from the rank's workspace and stay valid
/// as long as they are held. Main thread only: tensors are made and dropped there, the background task sees their
/// memory alone.
package final class BatchPreparer {
    private let source: BatchSource
    private let workspace: Workspace
    private let parts: Int
    private let ownParts: Range<Int>
    private var order: EpochOrder?
    private var pending: PendingBatch?

    /// Makes the preparer of one rank; nothing is prepared until the first ``batch(epoch:step:)``.
    /// - Parameters:
    ///   - imageSet: The images that the sampler's indices belong to.
    ///   - extra: The images that indices past its last belong to, in the same shape and classes, if there are any.
    ///   - sampler: The order of the samples, the same on all ranks.
    ///   - augmentations: What is changed at random; crop comes before flip, whatever their order here.
    ///   - seed: The run's seed.
    ///   - rank: This rank, in `0..<ranks`.
    ///   - ranks: The number of ranks.
    ///   - shardsPerRank: The parts that this rank's images are cut into, the same on all ranks.
    ///   - workspace: The rank's memory.
    package init(
        imageSet: ImageSet, extra: ImageSet? = nil, sampler: EpochSampler, augmentations: [Augmentation], seed: UInt64,
        rank: Int, ranks: Int, shardsPerRank: Int = 1, workspace: Workspace
    ) {
        precondition(rank >= 0 && rank < ranks, "rank \(rank) of \(ranks)")
        precondition(shardsPerRank >= 1, "a rank needs at least one shard, got \(shardsPerRank)")
        source = BatchSource(
            imageSet: imageSet, extra: extra, sampler: sampler, augmentations: Set(augmentations), seed: seed)
        self.workspace = workspace
        parts = ranks * shardsPerRank
        ownParts = rank * shardsPerRank..<(rank + 1) * shardsPerRank
    }

    // The task writes to tensors that this object holds: they may go only when it has ended.
    deinit { _ = pending?.task.wait() }

    /// Returns the rank's part of a step and starts to prepare the one that follows it.
    /// - Parameters:
    ///   - epoch: The epoch, from 0.
    ///   - step: The step within the epoch, in `0..<stepsPerEpoch`.
    package func batch(epoch: Int, step: Int) -> PreparedBatch {
        let current: PendingBatch
        if let pending, pending.epoch == epoch, pending.step == step {
            current = pending
        } else {
            _ = pending?.task.wait()
            current = start(epoch, step)
        }
        let filled = current.task.wait()
        order = filled.order
        pending = step + 1 < source.sampler.stepsPerEpoch ? start(epoch, step + 1) : start(epoch + 1, 0)
        return PreparedBatch(
            epoch: epoch, step: step, images: current.tensors, labels: filled.labels, indices: filled.indices,
            globalSize: source.sampler.batchSize(step: step))
    }

    private func start(_ epoch: Int, _ step: Int) -> PendingBatch {
        let shards = ownParts.map { source.sampler.positions(step: step, part: $0, of: parts) }
        let set = source.imageSet
        let tensors = shards.map {
            Tensor(workspace, images: $0.count, height: set.height, width: set.width, channels: set.channels)
        }
        // The closure holds pointers and no tensor: a tensor dropped by it would give its memory back off the main thread.
        let pointers = tensors.map(\.pointer)
        let task = BackgroundTask { [source, order] in source.fill(epoch, shards, order, pointers) }
        return PendingBatch(epoch: epoch, step: step, tensors: tensors, task: task)
    }
}

/// A batch on its way: the tensors that the task writes to are held here.
private struct PendingBatch {
    let epoch: Int
    let step: Int
    let tensors: [Tensor]
    let task: BackgroundTask<FilledBatch>
}

/// What the background task knows beside the pixels that it wrote.
private struct FilledBatch {
    let order: EpochOrder
    let indices: [[Int]]
    let labels: [[Int32]]
}

/// What one epoch visits, kept from step to step.
private struct EpochOrder {
    let epoch: Int
    let places: [SamplePlace]
}

/// The unchanging values that a batch is a function of.
private struct BatchSource: Sendable {
    let imageSet: ImageSet
    let extra: ImageSet?
    let sampler: EpochSampler
    let augmentations: Set<Augmentation>
    let seed: UInt64

    /// Writes the images at the given positions of an epoch, one run of positions a shard.
    func fill(
        _ epoch: Int, _ shards: [Range<Int>], _ known: EpochOrder?, _ destinations: [UnsafeMutablePointer<Float>]
    ) -> FilledBatch {
        let order =
            if let known, known.epoch == epoch {
                known
            } else {
                EpochOrder(epoch: epoch, places: sampler.order(epoch: epoch))
            }
        let places = shards.map { order.places[$0] }
        for (shard, destination) in zip(places, destinations) {
            for (position, place) in shard.enumerated() {
                let (set, own) = image(place.index)
                let draw = AugmentationDraw(
                    seed: seed, epoch: place.round, index: place.index, augmentations, in: set.window)
                set.write(own, draw, to: destination + position * set.traits.imageSize)
            }
        }
        let labels = places.map { shard in
            shard.map { place in
                let (set, own) = image(place.index)
                return set.labels[own]
            }
        }
        return FilledBatch(order: order, indices: places.map { $0.map(\.index) }, labels: labels)
    }

    /// The set that an index belongs to, and the image's place in it.
    private func image(_ index: Int) -> (ImageSet, Int) {
        guard let extra, index >= imageSet.count else { return (imageSet, index) }
        return (extra, index - imageSet.count)
    }
}
