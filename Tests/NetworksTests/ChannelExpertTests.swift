import Tensors
import TestSupport
import Testing

@testable import Networks

/// Channel experts: slabs of one tensor, one choice for all layers or one a layer.
@Suite("Channel experts")
struct ChannelExpertTests {
    /// Where a choice is made, and by what: on the image for all layers, by each layer, by each layer on one trunk.
    private static let routers: [(RouterScope, RouterKind)] = [
        (.image, .resnet20), (.layer, .gapLinear), (.layer, .resnet20),
    ]

    private func settings(
        _ experts: Int, _ scope: RouterScope, ratio: Double = 0.5, _ slabs: SlabArrangement = .disjoint,
        router kind: RouterKind? = nil
    ) -> NetworkSettings {
        let gate = Gate(topK: 1, isStraightThrough: true, renormalizes: true, bypassesSoftmax: true)
        return NetworkSettings(
            blocks: [1, 1], width: 8, ratio: ratio, channels: 3, classes: 5, mean: [0.5, 0.4, 0.45],
            deviation: [0.25, 0.2, 0.3],
            mixture: MixtureSettings(
                kind: .channel, placement: Placement(["*"]), includesDownsample: false,
                router: RouterSettings(
                    kind: kind ?? (scope == .image ? .resnet20 : .gapLinear), experts: experts, gate: gate,
                    balance: .none, balanceWeight: 0), scope: scope, slabs: slabs))
    }

    private let workspace = Workspace()
    private let filters = FilterCache(capacityMegabytes: 64)

    private func images(_ count: Int) -> Tensor {
        HashedValues(salt: "channels").images(workspace, count, channels: 3, height: 8, width: 8)
    }

    private func pass(
        _ network: Network, _ normalization: Normalization = .running, folds: Bool = false,
        routing: Routing = .learned(nil), arithmetic: Arithmetic = .exact, images: Int
    ) -> Pass {
        Pass(
            parameters: network.parameters, workspace: workspace, filters: filters, arithmetic: arithmetic,
            normalization: normalization, folds: folds, routing: routing, samples: [Array(0..<images)])
    }

    /// A network whose parameters and statistics are far from their first values.
    private func network(_ settings: NetworkSettings) throws -> Network {
        let network = try Network(settings, seed: 3)
        for slot in network.parameters.slots where slot.layout != .counter && slot.name.contains(/bn\d|\.1\./) {
            var stream = RandomStream(seed: 4, purpose: .synthetic, index: slot.offset)
            network.parameters.update {
                let values = $0.values(of: slot)
                for index in values.indices {
                    let u = stream.uniform()
                    let isFactor = slot.name.hasSuffix("weight") || slot.name.hasSuffix("var")
                    values[index] = isFactor ? 0.7 + 0.6 * u : u - 0.5
                }
            }
        }
        return network
    }

    private func slot(_ name: String, _ network: Network) throws -> Slot {
        try #require(network.parameters.slots.first { $0.name == name })
    }

    @Test("the released network's tensors have their shapes and number")
    func releasedShapes() throws {
        var whole = settings(2, .image)
        (whole.blocks, whole.width, whole.classes) = ([2, 2, 2, 2], 64, 10)
        let slots = try Network.slots(whole)
        func count(_ isRouter: Bool) -> Int {
            slots.filter { !$0.isStatistic && ($0.group == .router) == isRouter }.reduce(0) { $0 + $1.count }
        }
        #expect(count(false) == 5_565_450)
        #expect(count(true) == 269_202)
        let shapes = Dictionary(uniqueKeysWithValues: slots.map { ($0.name, $0.layout.shape) })
        #expect(shapes["conv1.weight"] == [64, 3, 3, 3])
        #expect(shapes["layer1.0.conv1.weight"] == [64, 64, 3, 3])
        #expect(shapes["layer2.0.conv1.weight"] == [128, 32, 3, 3])
        #expect(shapes["layer4.0.downsample.0.weight"] == [256, 128, 1, 1])
        #expect(shapes["layer4.1.conv2.weight"] == [512, 256, 3, 3])
        #expect(shapes["fc.weight"] == [10, 256])
        #expect(shapes["router.layer3.2.conv2.weight"] == [64, 64, 3, 3])
        #expect(shapes["router.fc.weight"] == [2, 64])
        whole.ratio = 0.2
        #expect(try Network.slots(whole).first { $0.name == "layer2.1.conv1.weight" }?.layout.shape == [50, 25, 3, 3])
    }

    @Test("an image meets the slab of its expert alone, whoever else is in the batch", arguments: RouterScope.allCases)
    func slabs(_ scope: RouterScope) throws {
        let mixture = try network(settings(3, scope))
        let x = images(7)
        let mixed = try mixture.forward([x], pass(mixture, routing: .uniform, images: 7)).logits[0]
        for expert in 0..<3 {
            // One expert makes an ordinary network: its filters are the slab.
            let single = try network(settings(1, scope))
            for slot in single.parameters.slots where slot.group == .backbone {
                let source = mixture.parameters.values(of: try self.slot(slot.name, mixture))
                let start = source.count == slot.count ? 0 : expert * slot.count
                single.parameters.update { arenas in
                    _ = arenas.values(of: slot).update(from: source[start..<start + slot.count])
                }
            }
            let alone = try single.forward([x], pass(single, routing: .uniform, images: 7)).logits[0]
            for image in Swift.stride(from: expert, to: 7, by: 3) {
                for place in image * 5..<(image + 1) * 5 {
                    #expect(abs(mixed.pointer[place] - alone.pointer[place]) <= 1e-5)
                }
            }
        }
    }

    @Test("windows lie evenly between the first channel and the last, and are slabs where they share none")
    func windows() throws {
        #expect(SlabArrangement.starts(count: 1, width: 3, channels: 8) == [0])
        #expect(SlabArrangement.starts(count: 3, width: 4, channels: 8) == [0, 2, 4])
        #expect(SlabArrangement.starts(count: 4, width: 3, channels: 8) == [0, 2, 3, 5])
        #expect(SlabArrangement.starts(count: 2, width: 2, channels: 8) == [0, 6])
        // Of the dense layer's channels whatever the number of experts and the ratio: its filters, seen by fewer inputs.
        for (experts, ratio) in [(2, 0.8), (4, 0.5), (10, 0.25), (2, 0.25)] {
            let slots = try Network.slots(settings(experts, .layer, ratio: ratio, .overlapping))
            let filter = try #require(slots.first { $0.name == "layer2.0.conv2.weight" })
            #expect(filter.layout.shape == [16, Int(ratio * 16), 3, 3])
        }
        let half = try Network.slots(settings(2, .layer, .overlapping))
        #expect(half == (try Network.slots(settings(2, .layer))))
    }

    @Test(
        "experts that share channels compute as experts of their own with the same filters, and their gradients add up",
        arguments: [(RouterScope.image, Arithmetic.exact), (.layer, .exact), (.image, .fast), (.layer, .fast)])
    func overlap(_ scope: RouterScope, _ arithmetic: Arithmetic) throws {
        let shared = try network(settings(3, scope, .overlapping))
        let own = try network(settings(3, scope))
        func rows(_ layout: SlotLayout) -> (starts: [Int], width: Int, length: Int)? {
            guard case .windows(let starts, let kernel, let inputs, let outputs, _) = layout else { return nil }
            return (starts, outputs, kernel * kernel * inputs)
        }
        var windows = 0
        for (slot, target) in zip(shared.parameters.slots, own.parameters.slots) {
            let outside = slot.layout.outside(shared.parameters.values(of: slot))
            var values = outside
            if let rows = rows(slot.layout) {
                windows += 1
                values = rows.starts.flatMap { outside[$0 * rows.length..<($0 + rows.width) * rows.length] }
            }
            let order = target.layout.memoryOrder
            own.parameters.update { _ = $0.values(of: target).update(from: order.map { Float(values[$0]) }) }
        }
        #expect(windows == 4)
        let x = images(7)
        func run(_ network: Network) throws -> (logits: [Float], input: [Float], gradients: Gradients) {
            let pass = pass(network, .local, routing: .uniform, arithmetic: arithmetic, images: 7)
            let (logits, tape) = try network.forward([x], pass)
            let (_, dLogits) = CrossEntropy.evaluate(logits[0], [0, 1, 2, 3, 4, 0, 1], divisor: 7)
            let gradients = Gradients(network.parameters)
            let input = try network.backward([dLogits], tape, pass, into: gradients.unbalanced, wantsInput: true)
            return (logits[0].toArray(), input[0].toArray(), gradients)
        }
        let (first, second) = (try run(shared), try run(own))
        #expect(first.logits == second.logits && first.input == second.input)
        for (slot, other) in zip(shared.parameters.slots, own.parameters.slots) where !slot.isStatistic {
            let found = slot.layout.outside(first.gradients.total(of: slot))
            let separate = other.layout.outside(second.gradients.total(of: other))
            var expected = separate
            if let rows = rows(slot.layout) {
                expected = [Double](repeating: 0, count: found.count)
                for (expert, start) in rows.starts.enumerated() {
                    for place in 0..<rows.width * rows.length {
                        expected[start * rows.length + place] += separate[expert * rows.width * rows.length + place]
                    }
                }
            }
            let largest = expected.map(abs).max() ?? 0
            // Up to three sums of float32 are added in another order.
            for (a, b) in zip(found, expected) { #expect(abs(a - b) <= 1e-6 * largest + 1e-9, "\(slot.name)") }
        }
    }

    @Test(
        "the chosen score's gradient is the sum of ⟨dY, Y⟩ over layers, the others' is zero", arguments: [false, true])
    func scoreGradient(_ trains: Bool) throws {
        let network = try network(settings(3, .image))
        let x = images(1)
        let pass = pass(network, images: 1)
        let (logits, tape) = try network.forward([x], pass)
        let (_, dLogits) = CrossEntropy.evaluate(logits[0], [2], divisor: 1)
        let gradients = Gradients(network.parameters)
        _ = try network.backward([dLogits], tape, pass, into: gradients.unbalanced, wantsInput: false)
        // For one image, ⟨dY, Y⟩ = ⟨dW, W⟩ in every layer of slabs.
        var expected = 0.0
        for slot in network.parameters.slots {
            guard case .slabs = slot.layout else { continue }
            for index in slot.range {
                expected += Double(gradients.arenas[0][index]) * Double(network.parameters.values[index])
            }
        }
        let chosen = try #require(tape.imageRouting?.routes[0].experts[0])
        let bias = gradients.total(of: try slot("router.fc.bias", network))
        #expect(abs(expected) > 1e-5)
        for expert in 0..<3 {
            #expect(abs(Double(bias[expert]) - (expert == chosen ? expected : 0)) <= 1e-3 * abs(expected))
        }
        let routerOnly = Gradients(network.parameters)
        routerOnly.groups = [.router]
        _ = try network.backward([dLogits], tape, pass, into: routerOnly.unbalanced, wantsInput: false)
        let backbone = network.parameters.slots.filter { !$0.isStatistic && $0.group == .backbone }
        #expect(backbone.allSatisfy { routerOnly.total(of: $0).allSatisfy { $0 == 0 } })
        #expect(routerOnly.total(of: try slot("router.fc.bias", network)) == bias)
    }

    @Test(
        "folding changes nothing but rounding, the router's part of the gradient included",
        arguments: ChannelExpertTests.routers)
    func folding(_ scope: RouterScope, _ kind: RouterKind) throws {
        let network = try network(settings(2, scope, router: kind))
        let x = images(6)
        func gradient(_ folds: Bool, learned: Bool = true) throws -> (logits: [Float], gradient: [Float]) {
            let pass = pass(network, folds: folds, routing: learned ? .learned(nil) : .uniform, images: 6)
            let (logits, tape) = try network.forward([x], pass)
            let (_, dLogits) = CrossEntropy.evaluate(logits[0], [0, 1, 2, 3, 4, 0], divisor: 1)
            let gradient = try network.backward([dLogits], tape, pass, into: nil, wantsInput: true)
            return (logits[0].toArray(), gradient[0].toArray())
        }
        let (plain, folded) = (try gradient(false), try gradient(true))
        #expect(distance(folded.logits, plain.logits) <= 1e-5)
        #expect(distance(folded.gradient, plain.gradient) <= 1e-4)
        // The router has a say: without it the gradient is another.
        #expect(distance(try gradient(false, learned: false).gradient, plain.gradient) > 1e-2)
    }

    @Test("the router on the image: gradients of parameters and image by central differences")
    func routerGradient() throws {
        let network = try network(settings(2, .image))
        // Shifts that keep units on one side of their kinks; the batch's own moments, which the random running ones would not
        // hold in range over twenty layers.
        for slot in network.parameters.slots where slot.name.contains(/^router.*bn\d\.bias/) {
            network.parameters.update { $0.values(of: slot).update(repeating: 3) }
        }
        let x = images(3)
        let weights: [Float] = [0.7, -0.4, -1.1, 0.3, 0.5, 0.9]
        let pass = pass(network, .local, images: 3)
        func value() throws -> Double {
            let routing = try #require(try network.route([x], pass))
            var sum = 0.0
            for (value, weight) in zip(routing.logProbabilities[0], weights) { sum += Double(value) * Double(weight) }
            return sum
        }
        let routing = try #require(try network.route([x], pass))
        let dLogits = Tensor(workspace, images: 3, channels: 2)
        for image in 0..<3 {
            let sum = weights[2 * image] + weights[2 * image + 1]
            for expert in 0..<2 {
                let place = 2 * image + expert
                dLogits.pointer[place] = weights[place] - sum * routing.probabilities[0][place]
            }
        }
        let gradients = Gradients(network.parameters)
        try network.backward(router: [dLogits], routing, pass, into: gradients.unbalanced)
        let slots = network.parameters.slots.filter { !$0.isStatistic && $0.group == .router }
        // Twenty layers of float32 and units that pass their kinks leave a per cent; the fixtures of AdvMoE hold it to less.
        try GradientCheck(step: 0.01, tolerance: 5e-2, directions: 1, noise: 1e-4).check(
            slots.map { .init($0, network.parameters, gradients) }, value: value)
    }

    @Test("training passes over shards give what one shard gives", arguments: ChannelExpertTests.routers)
    func shards(_ scope: RouterScope, _ kind: RouterKind) throws {
        let network = try network(settings(2, scope, router: kind))
        func gradient(_ sizes: [Int]) throws -> [Float] {
            let whole = images(7)
            var start = 0
            let parts = sizes.map { size in
                defer { start += size }
                return whole.slice(start..<start + size)
            }
            let record = PassRecord()
            var pass = pass(network, .synchronized, images: 7)
            pass.record = record
            pass.samples = sizes.map { Array(0..<$0) }
            let (logits, tape) = try network.forward(parts, pass)
            let labels: [Int32] = [0, 1, 2, 3, 4, 0, 1]
            var place = 0
            let dLogits = logits.map { logits in
                defer { place += logits.images }
                return CrossEntropy.evaluate(logits, Array(labels[place..<place + logits.images]), divisor: 7).dLogits
            }
            let gradients = Gradients(network.parameters, shards: sizes.count)
            _ = try network.backward(dLogits, tape, pass, into: gradients.unbalanced, wantsInput: false)
            return network.parameters.slots.filter { !$0.isStatistic }.flatMap { gradients.total(of: $0) }
        }
        #expect(distance(try gradient([3, 4]), try gradient([7])) <= 1e-4)
    }
}
