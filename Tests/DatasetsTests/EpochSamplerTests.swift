import Testing

@testable import Datasets

@Suite("Epoch sampler")
struct EpochSamplerTests {
    @Test("Every sample comes once an epoch on any number of ranks", arguments: [1, 2, 3, 5], [1, 7, 64])
    func coversEpoch(ranks: Int, globalBatch: Int) {
        let sampler = EpochSampler(count: 101, globalBatch: globalBatch, seed: 3)
        #expect(sampler.stepsPerEpoch == [1: 101, 7: 15, 64: 2][globalBatch])
        var all: [Int] = []
        for step in 0..<sampler.stepsPerEpoch {
            let slices = (0..<ranks).map { sampler.indices(epoch: 4, step: step, part: $0, of: ranks) }
            let size = sampler.batchSize(step: step)
            #expect(slices.map(\.count) == (0..<ranks).map { ($0 + 1) * size / ranks - $0 * size / ranks })
            #expect(slices.reduce(0) { $0 + $1.count } == size)
            all += slices.joined()
        }
        #expect(all == sampler.permutation(epoch: 4))
        #expect(all.sorted() == Array(0..<101))
    }

    @Test("Slices are uneven or empty as the floor formula says, a short last batch is used")
    func slices() {
        let sampler = EpochSampler(count: 9, globalBatch: 7, seed: 0)
        #expect((0..<2).map(sampler.batchSize) == [7, 2])
        #expect((0..<3).map { sampler.positions(step: 0, part: $0, of: 3) } == [0..<2, 2..<4, 4..<7])
        #expect((0..<3).map { sampler.positions(step: 1, part: $0, of: 3) } == [7..<7, 7..<8, 8..<9])
        #expect(EpochSampler(count: 14, globalBatch: 7, seed: 0).stepsPerEpoch == 2)
        #expect(EpochSampler(count: 3, globalBatch: 7, seed: 0).batchSize(step: 0) == 3)
    }

    @Test("The order is a function of seed and epoch, and each differs from the others")
    func permutes() {
        let sampler = EpochSampler(count: 50, globalBatch: 8, seed: 1)
        #expect(sampler.permutation(epoch: 0) == EpochSampler(count: 50, globalBatch: 5, seed: 1).permutation(epoch: 0))
        #expect(sampler.permutation(epoch: 0) != sampler.permutation(epoch: 1))
        #expect(sampler.permutation(epoch: 0) != EpochSampler(count: 50, globalBatch: 8, seed: 2).permutation(epoch: 0))
        #expect(sampler.permutation(epoch: 0) != Array(0..<50))
    }

    @Test("Every order of four samples comes equally often")
    func isUniform() {
        var counts: [[Int]: Int] = [:]
        let sampler = EpochSampler(count: 4, globalBatch: 1, seed: 9)
        for epoch in 0..<4800 { counts[sampler.permutation(epoch: epoch), default: 0] += 1 }
        #expect(counts.count == 24)
        // 200 are expected of each, deviation 14.
        #expect(counts.values.allSatisfy { $0 > 130 && $0 < 270 })
    }

    @Test("A subset is sampled by its own indices")
    func samplesSubset() {
        let sampler = EpochSampler(samples: [10, 20, 30, 40], globalBatch: 3, seed: 1)
        #expect(sampler.count == 4)
        #expect(sampler.permutation(epoch: 0).sorted() == [10, 20, 30, 40])
    }

    @Test(
        "Every batch and every rank has its share of extra images; each image comes once an epoch, or once a round",
        arguments: [1, 2, 3])
    func extraShare(ranks: Int) {
        let sampler = EpochSampler(
            samples: Array(0..<50), globalBatch: 12, seed: 4, extra: ExtraShare(indices: 100..<123, ofBatch: 5))
        // Seven whole batches of 7 and 5, then one of the last sample, beside which 5/7 of an image are one.
        #expect(sampler.stepsPerEpoch == 8)
        #expect(sampler.count == 86)
        var extras: [Int] = []
        for epoch in 0..<3 {
            var samples: [Int] = []
            for step in 0..<sampler.stepsPerEpoch {
                let parts = (0..<ranks).map {
                    Array(sampler.indices(epoch: epoch, step: step, part: $0, of: ranks))
                }
                let batch = parts.flatMap { $0 }
                #expect(batch == Array(sampler.indices(epoch: epoch, step: step, part: 0, of: 1)))
                #expect(batch.count == sampler.batchSize(step: step))
                let found = batch.count { $0 >= 100 }
                #expect(found == (step < 7 ? 5 : 1))
                if step < 7 {
                    for part in parts {
                        let share = 5 * Double(part.count) / 12
                        let found = Double(part.count { $0 >= 100 })
                        #expect(abs(found - share) < 1)
                    }
                }
                extras += batch.filter { $0 >= 100 }
                samples += batch.filter { $0 < 100 }
            }
            #expect(samples == sampler.permutation(epoch: epoch))
        }
        #expect(extras.count == 108)
        for round in 0..<4 {
            let own = Set(extras.dropFirst(23 * round).prefix(23))
            #expect(own == Set(100..<123))
        }
        #expect(extras.prefix(23) != extras.dropFirst(23).prefix(23))
        let last = sampler.order(epoch: 2)
        #expect(last == sampler.order(epoch: 2))
        let rounds = last.filter { $0.index >= 100 }.map(\.round)
        #expect(rounds.max() == 4)
    }

    @Test("Without extra images the order is the permutation")
    func noExtra() {
        let sampler = EpochSampler(count: 9, globalBatch: 4, seed: 3)
        #expect(sampler.order(epoch: 5) == sampler.permutation(epoch: 5).map { SamplePlace(index: $0, round: 5) })
    }

    @Test("The validation part is random, of the size asked for, and the rest is for training")
    func splits() {
        let (train, validation) = trainValidationSplit(count: 1000, fraction: 0.1, seed: 7)
        #expect(validation.count == 100)
        #expect((train + validation).sorted() == Array(0..<1000))
        #expect(train == train.sorted() && validation == validation.sorted())
        #expect(validation != Array(0..<100))
        #expect(trainValidationSplit(count: 1000, fraction: 0.1, seed: 7).validation == validation)
        #expect(trainValidationSplit(count: 1000, fraction: 0.1, seed: 8).validation != validation)
        #expect(trainValidationSplit(count: 5, fraction: 0, seed: 7) == ([0, 1, 2, 3, 4], []))
        #expect(trainValidationSplit(count: 5, fraction: 0.01, seed: 7).validation.count == 1)
        #expect(trainValidationSplit(count: 5, fraction: 0.99, seed: 7).train.count == 1)
    }
}
