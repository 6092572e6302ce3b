import Tensors
import Testing

@testable import Networks

/// The process-wide counter of executed multiply-adds.
///
/// Other tests of the same process would be counted too, so this suite runs only where ROBUSTMOE_COUNTER_TESTS=1 says
/// that it is alone: `ROBUSTMOE_COUNTER_TESTS=1 swift test --filter MultiplyAddCounterTests`.
@Suite("Executed multiply-adds", .serialized, .enabled(if: isSet("ROBUSTMOE_COUNTER_TESTS")))
struct MultiplyAddCounterTests {
    static let blocks = [1, 1]
    static let width = 16
    static let side = 8
    static let batch = 7
    static let steps = 3

    /// Multiply-adds of convolutions: one forward pass, one input gradient with and without the stem's, one weight
    /// gradient.
    struct Costs {
        var forward = 0
        var input = 0
        var inputWithoutStem = 0
        var weight = 0

        /// An attack of K steps and the training step after it: K(F + D) + F + D + W, the last D without the stem's.
        func attackAndStep(_ steps: Int) -> Int { steps * (forward + input) + forward + inputWithoutStem + weight }
    }

    /// One convolution of the network, the batches that it sees, and whether it is the stem.
    struct Layer {
        let geometry: ConvolutionGeometry
        let batches: [Int]
        let isStem: Bool
    }

    /// The convolutions of the test network; those of the last stage see `batches(path)`.
    static func layers(_ batches: (_ path: String) -> [Int]) -> [Layer] {
        var result: [Layer] = []
        func add(_ path: String, _ inputs: Int, _ outputs: Int, _ kernel: Int, _ stride: Int, side: Int) {
            let geometry = ConvolutionGeometry(
                images: batch, height: side, width: side, inputChannels: inputs, outputChannels: outputs,
                kernel: kernel, stride: stride, padding: kernel / 2)
            let seen = path.hasPrefix("layer2") ? batches(path) : [batch]
            result.append(Layer(geometry: geometry, batches: seen, isStem: path == "conv1"))
        }
        add("conv1", 3, width, 3, 1, side: side)
        add("layer1.0.conv1", width, width, 3, 1, side: side)
        add("layer1.0.conv2", width, width, 3, 1, side: side)
        add("layer2.0.conv1", width, 2 * width, 3, 2, side: side)
        add("layer2.0.downsample.0", width, 2 * width, 1, 2, side: side)
        add("layer2.0.conv2", 2 * width, 2 * width, 3, 1, side: side / 2)
        return result
    }

    /// What `multiplyAdds` says for every layer and batch, added up.
    static func costs(
        _ layers: [Layer], _ multiplyAdds: (ConvolutionGeometry, ConvolutionPass) -> Int
    ) -> Costs {
        var result = Costs()
        for layer in layers {
            for images in layer.batches {
                var geometry = layer.geometry
                geometry.images = images
                result.forward += multiplyAdds(geometry, .forward)
                result.input += multiplyAdds(geometry, .inputGradient)
                if !layer.isStem { result.inputWithoutStem += multiplyAdds(geometry, .inputGradient) }
                result.weight += multiplyAdds(geometry, .weightGradient)
            }
        }
        return result
    }

    static func direct(_ layers: [Layer]) -> Costs { costs(layers) { geometry, _ in geometry.directMultiplyAdds } }

    struct Counts: Equatable {
        var convolution = 0
        var classifier = 0
        var router = 0
    }

    private func count(_ body: () throws -> Void) rethrows -> Counts {
        func now() -> Counts {
            Counts(
                convolution: MatrixProduct.executedMultiplyAdds(.convolution),
                classifier: MatrixProduct.executedMultiplyAdds(.classifier),
                router: MatrixProduct.executedMultiplyAdds(.router))
        }
        let before = now()
        try body()
        let after = now()
        return Counts(
            convolution: after.convolution - before.convolution, classifier: after.classifier - before.classifier,
            router: after.router - before.router)
    }

    private func subject(_ test: NetworkCase, _ arithmetic: Arithmetic, experts: Int = 3) throws -> TestNetwork {
        let subject = try TestNetwork(
            test, blocks: Self.blocks, width: Self.width, experts: experts, images: Self.batch, side: Self.side)
        subject.arithmetic = arithmetic
        return subject
    }

    /// An attack of K steps on the frozen network, and the training step on what it found.
    private func attackAndStep(_ subject: TestNetwork, folds: Bool, _ normalization: Normalization = .running) throws {
        let x = subject.shards([Self.batch])
        for _ in 0..<Self.steps {
            let (_, gradient) = try subject.inputGradient(x, subject.pass(.running, folds: folds))
            for index in 0..<x[0].count { x[0].pointer[index] += gradient[0].pointer[index] > 0 ? 0.001 : -0.001 }
        }
        let outcome = try subject.forward(x, subject.pass(normalization))
        let gradients = Gradients(subject.parameters)
        _ = try subject.network.backward(
            outcome.dLogits, outcome.tape, subject.pass(normalization),
            into: GradientAccumulator(gradients, outcome.settled.balance), wantsInput: false)
    }

    @Test(
        "a PGD step executes K(F+D) + F + D + W of direct convolutions", arguments: [false, true],
        [Normalization.running, .local])
    func dense(_ folds: Bool, _ normalization: Normalization) throws {
        let subject = try subject(.dense, .exact)
        let counts = try count { try attackAndStep(subject, folds: folds, normalization) }
        #expect(counts.convolution == Self.direct(Self.layers { _ in [Self.batch] }).attackAndStep(Self.steps))
        // The classifier: as many forward and input-gradient products, and one weight gradient.
        #expect(counts.classifier == (2 * Self.steps + 3) * Self.batch * 2 * Self.width * 5)
        #expect(counts.router == 0)
    }

    @Test(
        "sixteen experts, one chosen, execute what one expert does; routers apart",
        arguments: [ExpertKind.conv, .block],
        [false, true])
    func sixteenExperts(_ kind: ExpertKind, _ folds: Bool) throws {
        let test = NetworkCase(kind: kind, loss: .entropy)
        let many = try subject(test, .exact, experts: 16)
        let counts = try count { try attackAndStep(many, folds: folds) }
        let dense = Self.direct(Self.layers { _ in [Self.batch] }).attackAndStep(Self.steps)
        #expect(counts.convolution == dense)
        // Each router: as many forward and input-gradient products, and one weight gradient, 16 experts wide.
        let inputs = kind == .block ? Self.width : Self.width + Self.width + 2 * Self.width
        #expect(counts.router == (2 * Self.steps + 3) * Self.batch * inputs * 16)
    }

    @Test("two chosen experts execute the mixture's convolutions twice", arguments: [ExpertKind.conv, .block])
    func twoChosen(_ kind: ExpertKind) throws {
        let subject = try subject(NetworkCase(kind: kind, gate: .renormalised, loss: .switchLoss), .exact)
        let counts = try count { try attackAndStep(subject, folds: true) }
        let expected = Self.direct(Self.layers { _ in [Self.batch, Self.batch] }).attackAndStep(Self.steps)
        #expect(counts.convolution == expected)
    }

    @Test(
        "fast arithmetic executes what the table of shapes predicts",
        arguments: [NetworkCase.dense] + NetworkCase.mixtures)
    func fast(_ test: NetworkCase) throws {
        let subject = try subject(test, .fast)
        // One pass of each sort, on routes that are known.
        var outcome: TestNetwork.Outcome?
        let x = subject.shards([Self.batch])
        let forward = try count { outcome = try subject.forward(x, subject.pass(.running)) }
        let known = try #require(outcome)
        let layers = Self.layers { path in
            let router = known.settled.routers.first { path == $0.layer || path.hasPrefix($0.layer + ".") }
            return router.map { $0.global.chosen.map { Int($0) }.filter { $0 > 0 } } ?? [Self.batch]
        }
        let costs = Self.costs(layers) { ConvolutionKernel($0, .fast).multiplyAdds($1) }
        #expect(forward.convolution == costs.forward)
        #expect(costs.forward < Self.direct(layers).forward, "nothing is faster than a direct convolution")
        let attack = try count {
            _ = try subject.network.backward(
                known.dLogits, known.tape, subject.pass(.running), into: nil, wantsInput: true)
        }
        #expect(attack.convolution == costs.input)
        let gradients = Gradients(subject.parameters)
        let step = try count {
            _ = try subject.network.backward(
                known.dLogits, known.tape, subject.pass(.running),
                into: GradientAccumulator(gradients, known.settled.balance), wantsInput: false)
        }
        #expect(step.convolution == costs.inputWithoutStem + costs.weight)
        let folded = try count { _ = try subject.inputGradient(x, subject.pass(.running, folds: true)) }
        // Folded routes may differ where scores are within rounding of each other; here they are the same.
        #expect(folded.convolution == costs.forward + costs.input)
    }

    @Test("filters prepared once serve all steps of an attack")
    func filtersAreCached() throws {
        let subject = try subject(.dense, .fast)
        let once = try count { _ = try subject.inputGradient([subject.images], subject.pass(.running, folds: true)) }
        let bytes = subject.filters.bytes
        let again = try count { _ = try subject.inputGradient([subject.images], subject.pass(.running, folds: true)) }
        #expect(again == once)
        #expect(subject.filters.bytes == bytes && bytes > 0)
    }

    @Test(
        "a forward pass executes what the network's cost says, layer by layer",
        arguments: [NetworkCase.dense] + NetworkCase.mixtures + NetworkCase.architectures)
    func cost(_ test: NetworkCase) throws {
        let subject = try subject(test, .exact)
        var known = subject.network.settings
        known.imageSize = MapSize(height: Self.side, width: Self.side)
        let cost = try #require(try Network(known, seed: 1).cost)
        let counts = try count {
            _ = try subject.network.forward(subject.shards([Self.batch]), subject.pass(.running))
        }
        #expect(counts.convolution + counts.classifier == Self.batch * cost.path)
        #expect(counts.router == Self.batch * cost.routers)
        #expect((cost.allExperts > cost.path) == (test.kind != nil))
    }

    @Test("kernels execute what the table predicts", arguments: Arithmetic.available)
    func kernels(_ arithmetic: Arithmetic) {
        let workspace = Workspace()
        for (images, side, inputs, outputs, size, stride) in [
            (3, 9, 16, 32, 3, 1), (2, 8, 16, 32, 3, 2), (5, 7, 3, 8, 3, 1), (4, 6, 24, 40, 1, 2), (0, 8, 16, 16, 3, 1),
            (1, 4, 512, 512, 3, 1), (9, 4, 512, 512, 3, 1),
        ] {
            let geometry = ConvolutionGeometry(
                images: images, height: side, width: side, inputChannels: inputs, outputChannels: outputs,
                kernel: size, stride: stride, padding: size / 2)
            let kernel = ConvolutionKernel(geometry, arithmetic)
            let x = Tensor(workspace, images: images, height: side, width: side, channels: inputs)
            let y = Tensor(
                workspace, images: images, height: geometry.outputHeight, width: geometry.outputWidth, channels: outputs
            )
            let w = Tensor(workspace, images: 1, channels: geometry.patchSize * outputs)
            for tensor in [x, y, w] { tensor.fill(0.5) }
            for pass in [ConvolutionPass.forward, .inputGradient, .weightGradient] {
                let filter = Tensor(workspace, images: 1, channels: kernel.preparedFilterSize(pass))
                let counts = count {
                    switch pass {
                    case .forward:
                        kernel.prepareFilter(pass, w.pointer, into: filter.pointer, workspace)
                        kernel.forward(x.pointer, [filter.pointer], into: y.pointer, Epilogue(), workspace)
                    case .inputGradient:
                        kernel.prepareFilter(pass, w.pointer, into: filter.pointer, workspace)
                        kernel.inputGradient(y.pointer, [filter.pointer], into: x.pointer, Epilogue(), workspace)
                    case .weightGradient: kernel.weightGradient(x.pointer, y.pointer, into: [w.pointer], workspace)
                    }
                }
                #expect(counts.convolution == kernel.multiplyAdds(pass), "\(geometry) \(pass)")
            }
        }
    }
}
