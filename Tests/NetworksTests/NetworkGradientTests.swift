import Tensors
import Testing

@testable import Networks

/// Central differences of the whole objective: task loss plus balancing losses of the global batch.
@Suite("Gradients of whole networks")
struct NetworkGradientTests {
    static let cases =
        [NetworkCase.dense] + NetworkCase.balanced.filter { !$0.gate.gate.isStraightThrough }
        + ExpertKind.allCases.map { NetworkCase(kind: $0, gate: GateCase.all[3], loss: .entropy) }
        + (NetworkCase.others + NetworkCase.architectures).map { test in
            // Differences do not see through max-pooling, whose winners change.
            var test = test
            test.stem = .cifar
            if test.architecture == .vgg {
                // Without pooling between stages; and without experts, whose choices are too close then.
                test.blocks = [2]
                test.kind = nil
            }
            return test
        }

    @Test(
        "objective with respect to every parameter and the images, two shards", arguments: cases,
        [Normalization.running, .local, .synchronized])
    func objective(_ test: NetworkCase, _ normalization: Normalization) throws {
        let subject = try TestNetwork(test, images: 6, side: 6, shift: 4)
        let x = subject.shards([4, 2])
        let start = try subject.forward(x, subject.pass(normalization))
        if test.varianceWeight > 0 {
            let terms = start.settled.routers.compactMap { start.settled.balance.outputGradient($0.layer, shard: 0) }
            #expect(terms.joined().contains { $0 != 0 }, "the experts' outputs differ too much to be told to")
        }
        let statistics = Array(subject.parameters.statistics)
        let gradients = Gradients(subject.parameters, shards: 2)
        let dx = try subject.network.backward(
            start.dLogits, start.tape, subject.pass(normalization),
            into: GradientAccumulator(gradients, start.settled.balance), wantsInput: true)
        let variables =
            subject.parameters.slots.filter { !$0.isStatistic }.map {
                GradientCheck.Variable($0, subject.parameters, gradients)
            } + x.indices.map { .init("images \($0)", x[$0], gradient: dx[$0].toArray()) }
        var check = GradientCheck(step: 0.01)
        // The loss of a few images is known to a few ulps; half a per cent of every gradient lies well above that.
        check.noise = 1e-6
        check.tolerance = 5e-3
        check.directions = 2
        check.largestChange = 0.005
        try check.check(variables) {
            subject.parameters.update([]) { _ = $0.statistics.update(from: statistics) }
            let varied = try subject.forward(x, subject.pass(normalization))
            if varied.routes != start.routes || varied.best != start.best { throw GradientCheck.ChoiceChanged() }
            return varied.taskLoss + varied.balanceLoss
        }
    }

    @Test(
        "gradients are handed over in ranges that are finished, from the end of the arena to its beginning",
        arguments: ([NetworkCase.dense] + NetworkCase.mixtures).map { ($0, 4) } + [
            (NetworkCase(kind: nil, architecture: .wideResNet(widening: 2), stem: .imagenet), 5),
            (NetworkCase(kind: nil, architecture: .vgg, blocks: [1, 2]), 4),
            (NetworkCase(kind: nil, architecture: .denseNet, blocks: [2, 1]), 8),
        ])
    func readyRanges(_ test: NetworkCase, _ parts: Int) throws {
        let subject = try TestNetwork(test)
        let outcome = try subject.forward([subject.images], subject.pass(.local))
        let gradients = Gradients(subject.parameters)
        var end = subject.parameters.parameterCount
        var copies: [(Range<Int>, [Float])] = []
        gradients.onReady = { range in
            #expect(range.upperBound == end)
            end = range.lowerBound
            copies.append((range, Array(gradients.arenas[0][range])))
        }
        _ = try subject.network.backward(
            outcome.dLogits, outcome.tape, subject.pass(.local),
            into: GradientAccumulator(gradients, outcome.settled.balance), wantsInput: false)
        #expect(end == 0)
        #expect(copies.count == parts, "classifier, elements with parameters")
        for (range, values) in copies { #expect(Array(gradients.arenas[0][range]) == values) }
    }

    @Test("parameter gradients are added to what the arena holds")
    func gradientsAccumulate() throws {
        let subject = try TestNetwork(NetworkCase(kind: .conv, loss: .entropy))
        let outcome = try subject.forward([subject.images], subject.pass(.local))
        let gradients = Gradients(subject.parameters)
        func backward() throws {
            _ = try subject.network.backward(
                outcome.dLogits, outcome.tape, subject.pass(.local),
                into: GradientAccumulator(gradients, outcome.settled.balance), wantsInput: false)
        }
        try backward()
        let once = Array(gradients.arenas[0])
        try backward()
        for (place, value) in once.enumerated() {
            #expect(abs(gradients.arenas[0][place] - 2 * value) <= 1e-5 * (abs(value) + 1e-3))
        }
        gradients.clear()
        #expect(gradients.arenas[0].areZero)
    }
}
