import Networks
import TestSupport
import Testing

extension RankTests {
    @Suite("A batch over ranks")
    @MainActor
    struct Agreement {
        let communicator = Ranks.communicator

        /// Parts of each rank; in a plain process, shards play the ranks.
        var shards: [Int] { communicator.size == 1 ? [1, 2, 3] : [1, 2] }

        private func isUneven(_ scene: RankScene, _ parts: Int) -> Bool {
            Set((0..<parts).map { scene.range($0, of: parts).count }).count > 1
        }

        @Test(
            "Loss and gradients are those of the whole batch, units standing still",
            arguments: MixtureCase.all, [7, 2])
        func steady(mixture: MixtureCase, count: Int) throws {
            var configuration = mixture.configuration
            configuration.kernels.arithmetic = .exact
            let scene = try RankScene(configuration, images: count, isSteady: true)
            configuration.moe.statistics = .local
            let local = try RankScene(configuration, images: count, isSteady: true)
            for normalization in [Normalization.synchronized, .running] {
                let reference = try scene.reference(normalization)
                func difference(_ scene: RankScene, _ shards: Int, _ mistake: Mistake) throws -> String? {
                    try scene.overRanks(communicator, shards: shards, normalization, mistake)
                        .difference(from: reference, scene.network.parameters, tolerance: 1e-5)
                }
                if count == 7 {
                    #expect(reference.chosen.allSatisfy { $0.count { $0 > 0 } > 1 }, "all images choose alike")
                }
                for shards in self.shards {
                    let parts = communicator.size * shards
                    expectAgreement(try difference(scene, shards, .none), "\(normalization), \(parts) parts")
                    if parts == 1 { continue }
                    #expect(try difference(scene, shards, .lostPart) != nil, "\(normalization), \(parts) parts")
                    if isUneven(scene, parts) {
                        #expect(try difference(scene, shards, .meanOfMeans) != nil, "\(normalization), \(parts) parts")
                    }
                    // Two images that choose alike leave nothing to tell local shares from global ones.
                    if count == 7 {
                        #expect(try difference(local, shards, .none) != nil, "\(normalization), \(parts) parts")
                    }
                }
            }
        }

        @Test(
            "Loss and gradients are close to those of the whole batch in an ordinary network",
            arguments: MixtureCase.all, [7, 2])
        func ordinary(mixture: MixtureCase, count: Int) throws {
            let scene = try RankScene(mixture.configuration, images: count)
            for normalization in [Normalization.synchronized, .running] {
                let reference = try scene.reference(normalization)
                for shards in self.shards {
                    let found = try scene.overRanks(communicator, shards: shards, normalization)
                    expectAgreement(
                        found.difference(from: reference, scene.network.parameters, tolerance: 5e-2),
                        "\(normalization), \(shards) shards a rank")
                }
            }
        }

        @Test("Experts take their share of the whole batch, and no more", arguments: [1, 2])
        func capacity(topK: Int) throws {
            var configuration = MixtureCase(kind: .block, topK: topK, loss: .switchLoss).configuration
            configuration.kernels.arithmetic = .exact
            configuration.moe.noise = 0.5
            configuration.moe.varianceWeight = 0.3
            configuration.moe.experts = 7
            let free = try RankScene(configuration, images: 7, isSteady: true)
            configuration.moe.capacity = 1
            let scene = try RankScene(configuration, images: 7, isSteady: true)
            let reference = try scene.reference(.synchronized)
            #expect(reference.chosen.allSatisfy { $0.allSatisfy { $0 == Double(topK) } })
            #expect(try reference.chosen != free.reference(.synchronized).chosen)
            for shards in self.shards {
                let found = try scene.overRanks(communicator, shards: shards, .synchronized)
                expectAgreement(
                    found.difference(from: reference, scene.network.parameters, tolerance: 1e-5),
                    "\(shards) shards a rank")
            }
        }

        @Test("Noise on the scores is that of the whole batch", arguments: [1, 2])
        func noise(topK: Int) throws {
            var configuration = MixtureCase(kind: .conv, topK: topK, loss: .switchLoss).configuration
            configuration.kernels.arithmetic = .exact
            let quiet = try RankScene(configuration, images: 7, isSteady: true)
            configuration.moe.noise = 2
            let scene = try RankScene(configuration, images: 7, isSteady: true)
            let reference = try scene.reference(.synchronized)
            #expect(try reference.chosen != quiet.reference(.synchronized).chosen)
            for shards in self.shards {
                let found = try scene.overRanks(communicator, shards: shards, .synchronized)
                expectAgreement(
                    found.difference(from: reference, scene.network.parameters, tolerance: 1e-5),
                    "\(shards) shards a rank")
            }
        }
    }
}
