import Tensors
import Testing

@testable import Datasets

@Suite("Batch preparer")
struct BatchPreparerTests {
    private let set = SyntheticImages().images(.train, count: 23)

    private func preparer(
        rank: Int = 0, ranks: Int = 1, shards: Int = 1, workspace: Workspace = Workspace(),
        _ augmentations: [Augmentation] = [.crop, .flip]
    ) -> BatchPreparer {
        BatchPreparer(
            imageSet: set, sampler: EpochSampler(count: set.count, globalBatch: 7, seed: 11),
            augmentations: augmentations, seed: 11, rank: rank, ranks: ranks, shardsPerRank: shards,
            workspace: workspace)
    }

    /// The pixels of a batch written one image after the other, without a preparer.
    private func direct(epoch: Int, _ indices: [Int]) -> [Float] {
        let workspace = Workspace()
        return indices.flatMap { index in
            let tensor = Tensor(workspace, images: 1, height: 32, width: 32, channels: 3)
            set.write(
                index,
                AugmentationDraw(seed: 11, epoch: epoch, index: index, [.crop, .flip], in: set.window),
                to: tensor.pointer)
            return tensor.toArray()
        }
    }

    @Test("Prefetched batches are the same as those prepared on demand, over epochs")
    func prefetches() {
        let running = preparer()
        let steps = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3), (2, 0)]
        for (epoch, step) in steps {
            let batch = running.batch(epoch: epoch, step: step)
            let fresh = preparer().batch(epoch: epoch, step: step)
            #expect((batch.epoch, batch.step) == (epoch, step))
            #expect(batch.globalSize == (step == 3 ? 2 : 7))
            let order = EpochSampler(count: 23, globalBatch: 7, seed: 11).permutation(epoch: epoch)
            #expect(batch.indices == [Array(order[7 * step..<min(23, 7 * step + 7)])])
            #expect(batch.labels == [batch.indices[0].map { set.labels[$0] }])
            #expect(batch.images[0].toArray() == direct(epoch: epoch, batch.indices[0]))
            #expect(batch.images[0].toArray() == fresh.images[0].toArray())
        }
    }

    @Test("A batch out of turn is prepared on demand")
    func jumps() {
        let running = preparer()
        _ = running.batch(epoch: 0, step: 0)
        for (epoch, step) in [(3, 2), (3, 2), (0, 3), (1, 1)] {
            let batch = running.batch(epoch: epoch, step: step)
            #expect(batch.images[0].toArray() == direct(epoch: epoch, batch.indices[0]))
            #expect(batch.indices == preparer().batch(epoch: epoch, step: step).indices)
        }
    }

    @Test("A batch stays as it is while it is held, and memory is reused when it is not")
    func ownsMemory() {
        let workspace = Workspace()
        let running = preparer(workspace: workspace)
        let first = running.batch(epoch: 0, step: 0)
        let pixels = first.images[0].toArray()
        for step in 1..<4 { _ = running.batch(epoch: 0, step: step) }
        #expect(first.images[0].toArray() == pixels)
        for epoch in 1..<3 { for step in 0..<4 { _ = running.batch(epoch: epoch, step: step) } }
        let reserved = workspace.reservedBytes
        for epoch in 3..<20 { for step in 0..<4 { _ = running.batch(epoch: epoch, step: step) } }
        #expect(workspace.reservedBytes == reserved)
    }

    @Test("The ranks' parts make up the one rank's batch, uneven and empty ones too", arguments: [2, 3, 5])
    func cutsAcrossRanks(ranks: Int) {
        let whole = preparer()
        let parts = (0..<ranks).map { preparer(rank: $0, ranks: ranks) }
        for epoch in 0..<2 {
            for step in 0..<4 {
                let one = whole.batch(epoch: epoch, step: step)
                let batches = parts.map { $0.batch(epoch: epoch, step: step) }
                #expect(batches.flatMap { $0.indices.flatMap { $0 } } == one.indices[0])
                #expect(batches.flatMap { $0.labels.flatMap { $0 } } == one.labels[0])
                #expect(batches.flatMap { $0.images[0].toArray() } == one.images[0].toArray())
                #expect(batches.allSatisfy { $0.globalSize == one.globalSize })
                #expect(batches.allSatisfy { $0.images[0].images == $0.indices[0].count })
            }
        }
        // The last batch has 2 images: with more ranks than that, one has none.
        let sizes = parts.map { $0.batch(epoch: 0, step: 3).images[0].images }
        #expect(sizes.contains(0) == (ranks > 2))
    }

    @Test("The same shards come out whatever number of ranks holds them")
    func cutsIntoShards() {
        let one = preparer(shards: 6)
        let two = (0..<2).map { preparer(rank: $0, ranks: 2, shards: 3) }
        let six = (0..<6).map { preparer(rank: $0, ranks: 6) }
        for step in 0..<4 {
            let expected = one.batch(epoch: 0, step: step)
            #expect(expected.images.count == 6)
            for ranks in [two, six] {
                let batches = ranks.map { $0.batch(epoch: 0, step: step) }
                #expect(batches.flatMap(\.indices) == expected.indices)
                #expect(batches.flatMap(\.labels) == expected.labels)
                #expect(batches.flatMap { $0.images.map { $0.toArray() } } == expected.images.map { $0.toArray() })
            }
        }
    }

    @Test("Without augmentation a batch holds the images as they are, in the sampler's order")
    func leavesImages() {
        let workspace = Workspace()
        let batch = preparer(workspace: workspace, []).batch(epoch: 0, step: 1)
        let chunk = set.chunk(batch.indices[0], workspace: workspace)
        #expect(batch.images[0].toArray() == chunk.images.toArray())
        #expect(preparer().batch(epoch: 0, step: 1).images[0].toArray() != chunk.images.toArray())
    }

    @Test("Extra images come from their own set, with its labels, and change at random from round to round")
    func extra() throws {
        let extra = SyntheticImages().images(.test, count: 4)
        let sampler = EpochSampler(
            samples: Array(0..<set.count), globalBatch: 8, seed: 2,
            extra: ExtraShare(indices: set.count..<set.count + 4, ofBatch: 4))
        let preparer = BatchPreparer(
            imageSet: set, extra: extra, sampler: sampler, augmentations: [.crop, .flip], seed: 2, rank: 0, ranks: 1,
            workspace: Workspace())
        var seen: [[Float]] = []
        for step in 0..<3 {
            let batch = preparer.batch(epoch: 0, step: step)
            for (position, index) in batch.indices[0].enumerated() {
                let own = index - set.count
                let label = own < 0 ? set.labels[index] : extra.labels[own]
                #expect(batch.labels[0][position] == label)
                if own == 1 { seen.append(batch.images[0].slice(position..<position + 1).toArray()) }
            }
            let found = batch.indices[0].count { $0 >= set.count }
            #expect(found == 4)
        }
        #expect(seen.count == 3 && Set(seen).count == 3)
        let workspace = Workspace()
        let tensor = Tensor(workspace, images: 1, height: 32, width: 32, channels: 3)
        let draw = AugmentationDraw(seed: 2, epoch: 1, index: set.count + 1, [.crop, .flip], in: extra.window)
        extra.write(1, draw, to: tensor.pointer)
        #expect(seen[1] == tensor.toArray())
    }
}
