import Tensors
import Testing

@testable import Networks

@Suite("Capacity of experts")
struct CapacityTests {
    /// Scores and the experts that a run of the reference gave them (robust-sparse-moes, noise 0).
    static let scores: [Float] = [
        0.7, 0.2, 0.1, 0.6, 0.3, 0.1, 0.8, 0.15, 0.05, 0.5, 0.3, 0.2, 0.9, 0.05, 0.05, 0.55, 0.25, 0.2,
    ]

    private func sets(_ chosen: [Int], _ topK: Int) -> [[Int]] {
        stride(from: 0, to: chosen.count, by: topK).map { chosen[$0..<$0 + topK].sorted() }
    }

    @Test(
        "the assignments of the reference",
        arguments: [
            (1, 1.0, [[2], [1], [0], [1], [0], [2]]), (1, 1.5, [[0], [1], [0], [1], [0], [1]]),
            (1, 1e9, [[0], [0], [0], [0], [0], [0]]),
            (2, 1.0, [[0, 1], [0, 1], [0, 2], [1, 2], [0, 2], [1, 2]]),
            (2, 1.5, [[0, 1], [0, 1], [0, 1], [0, 1], [0, 1], [0, 1]]),
        ])
    func golden(_ topK: Int, _ factor: Double, _ expected: [[Int]]) throws {
        let mean = Self.scores.reduce(0, +) / 18
        let deviation = (Self.scores.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 17).squareRoot()
        let assignment = CapacityAssignment(experts: 3, topK: topK, capacityFactor: factor)
        #expect(sets(assignment.choose(Self.scores.map { $0 / deviation }), topK) == expected)
    }

    @Test("the capacity is rounded up in Float, at least 1, at most the batch", arguments: [1, 2])
    func size(_ topK: Int) {
        func capacity(_ images: Int, _ experts: Int, _ factor: Double) -> Int {
            CapacityAssignment(experts: experts, topK: topK, capacityFactor: factor).capacity(images: images)
        }
        #expect(capacity(640, 4, 1.5) == 240 * topK)
        #expect(capacity(2, 4, 0.1) == 1)
        // A factor counts for at most the number of images: 16 is 2 here.
        #expect(capacity(2, 4, 16) == topK)
        #expect(capacity(10, 4, 100) == 10)
        #expect(capacity(10, 3, 1.2) == 4 * topK)
    }

    /// The statements of the reference's own tests of its gates: every image has k experts, the best ones where nothing
    /// limits them; under capacity no expert has more than ⌈k · B · capacity / E⌉.
    @Test(
        "every image has k experts and no expert more than its share", arguments: [nil, 1.5, 2, 16] as [Double?],
        [1, 2, 4])
    func referenceStatements(_ capacity: Double?, _ topK: Int) throws {
        for gate in [
            Gate(topK: topK, isStraightThrough: false, renormalizes: true),
            Gate(topK: topK, isStraightThrough: false, renormalizes: false),
            Gate(topK: topK, isStraightThrough: topK == 1, renormalizes: true),
        ] {
            for batch in [1, 2, 4, 5, 16] {
                for seed in UInt64(0)..<8 {
                    for isTraining in [true, false] {
                        let bench = LayerBench()
                        let router = Router(
                            "moe", inputs: 2,
                            RouterSettings(experts: 4, gate: gate, balance: .switchLoss, balanceWeight: 0.5),
                            bench.parameters)
                        bench.parameters.initialize(seed: seed)
                        var pass = bench.pass(samples: [Array(0..<batch)])
                        if isTraining {
                            pass.routing = .learned(
                                TrainingRouting(noise: 0.1, capacity: capacity, seed: seed, step: 0))
                        }
                        let tape = try router.forward([bench.random([batch, 1, 1, 2], seed)], pass)
                        let routes = tape.routes[0]
                        for image in 0..<batch {
                            let row = routes.experts[image * topK..<(image + 1) * topK]
                            #expect(Set(row).count == topK)
                            let weights = routes.weights[image * topK..<(image + 1) * topK]
                            #expect(weights.allSatisfy { $0 > 0 && $0 <= 1 })
                            let sum = weights.reduce(0, +)
                            if gate.isStraightThrough || gate.renormalizes { #expect(abs(sum - 1) < 1e-3) }
                            if !isTraining {
                                let scores = tape.scores[0][image * 4..<(image + 1) * 4]
                                let least = row.map { scores[scores.startIndex + $0] }.min() ?? 0
                                #expect(scores.count { $0 > least } < topK, "not the best \(topK)")
                            }
                        }
                        if isTraining, let capacity {
                            let most = (Double(topK * batch) * capacity / 4).rounded(.up)
                            for expert in 0..<4 {
                                #expect(Double(routes.experts.count { $0 == expert }) <= most)
                            }
                        }
                    }
                }
            }
        }
    }

    @Test("ties go to the lowest expert and the first image")
    func ties() {
        let assignment = CapacityAssignment(experts: 2, topK: 1, capacityFactor: 1)
        #expect(assignment.choose([Float](repeating: 0.5, count: 8)) == [0, 0, 1, 1])
        #expect(CapacityAssignment(experts: 3, topK: 3, capacityFactor: 1).choose([1, 3, 2]) == [1, 2, 0])
    }

    @Test("the assignment is that of the whole batch however it is cut; local statistics assign each shard alone")
    func shards() throws {
        func routes(_ sizes: [Int], isGlobal: Bool, capacity: Double?) throws -> [[Int]] {
            let bench = LayerBench()
            let settings = RouterSettings(
                experts: 3, gate: Gate(topK: 1, isStraightThrough: true, renormalizes: true), balance: .switchLoss,
                balanceWeight: 0.5, usesGlobalStatistics: isGlobal)
            let router = Router("moe", inputs: 2, settings, bench.parameters)
            bench.parameters.initialize(seed: 3)
            let x = bench.random([12, 1, 1, 2], 5)
            // All images alike enough to want the same expert.
            for index in 0..<x.count { x.pointer[index] = 3 + 0.1 * x.pointer[index] }
            var first = 0
            let parts = sizes.map { size in
                defer { first += size }
                return first..<first + size
            }
            var pass = bench.pass(samples: parts.map { Array($0) })
            pass.routing = .learned(TrainingRouting(noise: 0.2, capacity: capacity, seed: 1, step: 0))
            return try router.forward(parts.map { x.slice($0) }, pass).routes.map(\.experts)
        }
        let whole = try routes([12], isGlobal: true, capacity: 1)
        #expect((0..<3).allSatisfy { expert in whole[0].count { $0 == expert } == 4 })
        #expect(try routes([12], isGlobal: true, capacity: nil) != whole)
        for sizes in [[5, 7], [0, 12], [1, 0, 11], [4, 4, 4]] {
            #expect(try routes(sizes, isGlobal: true, capacity: 1).flatMap { $0 } == whole[0])
        }
        let local = try routes([6, 6], isGlobal: false, capacity: 1)
        for shard in local { #expect((0..<3).allSatisfy { expert in shard.count { $0 == expert } == 2 }) }
        #expect(local.flatMap { $0 } != whole[0])
    }
}
