import Tensors
import Testing

@testable import Networks

/// One batch cut into shards of any sizes, empty ones included, against the same batch in one piece.
///
/// Under exact products in a network whose units do not switch every gradient slot agrees to 1e-5 of its norm (DESIGN).
@Suite("Shards")
struct ShardTests {
    static let cases =
        [NetworkCase.dense] + NetworkCase.balanced + NetworkCase.others + NetworkCase.architectures
    static let layouts = [[3, 4], [7, 0], [0, 7], [2, 3, 2], [0, 6, 1]]

    struct Result {
        let outcome: TestNetwork.Outcome
        let gradients: [String: [Float]]
        let input: [Float]
        let statistics: [Float]

        /// The largest |difference| of any slot over its norm, and the slot's name.
        func worst(_ other: Result) -> (Double, String) {
            // Gradients that are nothing but rounding (a filter's in front of a batch norm of one image, say) are
            // measured against the whole.
            let scale = gradients.values.reduce(0) { $0 + $1.reduce(0) { $0 + Double($1) * Double($1) } }.squareRoot()
            return gradients.map { name, values -> (Double, String) in
                let difference = zip(values, other.gradients[name] ?? []).reduce(0) {
                    $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1))
                }.squareRoot()
                let norm = values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
                return (difference / (norm + 0.01 * scale), name)
            }.max { $0.0 < $1.0 } ?? (0, "")
        }
    }

    private func run(_ subject: TestNetwork, _ sizes: [Int], _ normalization: Normalization) throws -> Result {
        let statistics = Array(subject.parameters.statistics)
        defer {
            subject.parameters.update([]) { _ = $0.statistics.update(from: statistics) }
        }
        let pass = subject.pass(normalization)
        let outcome = try subject.forward(subject.shards(sizes), pass)
        let gradients = Gradients(subject.parameters, shards: sizes.count)
        let dx = try subject.network.backward(
            outcome.dLogits, outcome.tape, pass, into: GradientAccumulator(gradients, outcome.settled.balance),
            wantsInput: true)
        let slots = subject.parameters.slots.filter { !$0.isStatistic }
        return Result(
            outcome: outcome,
            gradients: Dictionary(uniqueKeysWithValues: slots.map { ($0.name, gradients.total(of: $0)) }),
            input: dx.flatMap { $0.toArray() }, statistics: Array(subject.parameters.statistics))
    }

    @Test(
        "losses, gradients and statistics do not depend on the layout", arguments: cases,
        [Normalization.running, .synchronized])
    func layoutDoesNotMatter(_ test: NetworkCase, _ normalization: Normalization) throws {
        let subject = try TestNetwork(test, shift: 4)
        // Routers of a wide ResNet see maps that hardly differ from image to image beside the shift: their weights are
        // large, and rounding with them.
        // With no expert in the shortcut, as channel experts have none, more of a gradient behind two batch norms cancels.
        let isHard = test.kind == .channel || test.kind == .conv && test.architecture == .wideResNet(widening: 2)
        let bound = isHard ? 6e-5 : 1e-5
        let whole = try run(subject, [7], normalization)
        for sizes in Self.layouts {
            let cut = try run(subject, sizes, normalization)
            #expect(abs(cut.outcome.taskLoss - whole.outcome.taskLoss) < 1e-6)
            #expect(abs(cut.outcome.balanceLoss - whole.outcome.balanceLoss) < 1e-6)
            let (error, slot) = whole.worst(cut)
            #expect(error <= bound, "\(slot) with shards of \(sizes)")
            // The last of all gradients has gathered the rounding of the layers behind it.
            #expect(distance(cut.input, whole.input) <= 4e-5, "shards of \(sizes)")
            for (a, b) in zip(cut.statistics, whole.statistics) { #expect(abs(a - b) <= 1e-5 * (1 + abs(b))) }
            for (a, b) in zip(cut.outcome.settled.routers, whole.outcome.settled.routers) {
                #expect(a.global.chosen == b.global.chosen && a.global.best == b.global.best)
                #expect(a.global.images == 7)
            }
        }
    }

    @Test(
        "two images on three shards, one of them empty", arguments: [NetworkCase.dense] + NetworkCase.balanced,
        [Normalization.running, .synchronized])
    func twoImages(_ test: NetworkCase, _ normalization: Normalization) throws {
        let subject = try TestNetwork(test, images: 2, shift: 4)
        let whole = try run(subject, [2], normalization)
        let cut = try run(subject, [1, 0, 1], normalization)
        // Normalised by two images, small differences between them become large ones, and so does rounding.
        #expect(abs(cut.outcome.taskLoss - whole.outcome.taskLoss) < 4e-6)
        let (error, slot) = whole.worst(cut)
        #expect(error <= 2e-5, "\(slot)")
    }

    @Test("global running statistics also where shards normalise by themselves", arguments: cases)
    func localStatistics(_ test: NetworkCase) throws {
        let subject = try TestNetwork(test)
        let count = subject.parameters.slots.first { $0.name.hasSuffix("num_batches_tracked") }
        let stem = try #require(subject.parameters.slots.first { $0.name.hasSuffix("running_var") })
        let before = Array(subject.parameters.statistics)
        let whole = try run(subject, [7], .local)
        let cut = try run(subject, [3, 0, 4], .local)
        // What the first layer sees does not depend on how shards normalise.
        for index in stem.range { #expect(abs(cut.statistics[index] - whole.statistics[index]) <= 1e-5) }
        #expect(cut.statistics[stem.offset] != before[stem.offset])
        if let count { #expect(cut.statistics[count.offset] == before[count.offset] + 1) }
        #expect(cut.gradients.values.joined().areFinite)
        // Shards that normalise by themselves give other gradients: the comparison above can fail.
        #expect(whole.worst(cut).0 > 1e-2)
    }

    @Test("losses of shards are not the loss of the batch", arguments: NetworkCase.balanced)
    func localRouterStatistics(_ test: NetworkCase) throws {
        var local = test
        local.isGlobal = false
        let subject = try TestNetwork(local, shift: 4)
        let whole = try run(subject, [7], .synchronized)
        let cut = try run(subject, [3, 4], .synchronized)
        let (error, _) = whole.worst(cut)
        #expect(error > 1e-3)
        // What is reported is what is differentiated: the shards' own losses, each as often as it has images.
        let parts = cut.outcome.record.routers.map { router in
            router.perShard.map { 0.5 * $0.sums.images / 7 * router.settings.balance.value($0.sums) }.reduce(0, +)
        }
        #expect(abs(cut.outcome.balanceLoss - parts.reduce(0, +)) < 1e-9)
        #expect(abs(cut.outcome.balanceLoss - whole.outcome.balanceLoss) > 1e-4)
        // In one piece there is no difference.
        let global = try TestNetwork(test, shift: 4)
        #expect(try run(global, [7], .synchronized).worst(whole).0 == 0)
        // The gradient is that of the shards' own losses, weighted by their images: here by one shard's share.
        let lopsided = try run(subject, [7, 0], .synchronized)
        #expect(whole.worst(lopsided).0 <= 1e-5)
    }

    @Test("local statistics need not wait for the batch", arguments: NetworkCase.balanced)
    func localTerms(_ test: NetworkCase) throws {
        var local = test
        local.isGlobal = false
        let subject = try TestNetwork(local, shift: 4)
        let pass = subject.pass(.running)
        let outcome = try subject.forward(subject.shards([3, 4]), pass)
        func gradient(_ balance: BalanceTerms) throws -> [[Float]] {
            let gradients = Gradients(subject.parameters, shards: 2)
            _ = try subject.network.backward(
                outcome.dLogits, outcome.tape, pass, into: GradientAccumulator(gradients, balance), wantsInput: false)
            return gradients.arenas.map { Array($0) }
        }
        let settled = try gradient(outcome.settled.balance)
        #expect(try gradient(outcome.record.localTerms(globalImages: 7)) == settled)
        #expect(try gradient(outcome.record.localTerms(globalImages: 14)) != settled)
        #expect(try gradient(.none) != settled)
    }

    @Test("a dropped shard is noticed", arguments: [NetworkCase.dense, NetworkCase.balanced[0]])
    func droppedShard(_ test: NetworkCase) throws {
        let subject = try TestNetwork(test, shift: 4)
        let pass = subject.pass(.synchronized)
        let outcome = try subject.forward(subject.shards([3, 4]), pass)
        let gradients = Gradients(subject.parameters, shards: 2)
        _ = try subject.network.backward(
            outcome.dLogits, outcome.tape, pass, into: GradientAccumulator(gradients, outcome.settled.balance),
            wantsInput: false)
        let whole = try run(subject, [7], .synchronized)
        let slot = try #require(subject.parameters.slots.first { $0.name == "fc.weight" })
        #expect(distance(Array(gradients.arenas[0][slot.range]), whole.gradients["fc.weight"] ?? []) > 0.05)
    }

    @Test("results depend on the number of threads in no bit", arguments: [NetworkCase.dense] + NetworkCase.mixtures)
    func threads(_ test: NetworkCase) throws {
        func run(_ threads: Int) throws -> ([Float], [Float]) {
            let subject = try TestNetwork(test, width: 16, threads: threads)
            subject.arithmetic = .fast
            let result = try self.run(subject, [3, 4], .local)
            return (result.gradients.sorted { $0.key < $1.key }.flatMap(\.value), result.input)
        }
        let one = try run(1)
        let three = try run(3)
        #expect(one.0 == three.0)
        #expect(one.1 == three.1)
    }
}
