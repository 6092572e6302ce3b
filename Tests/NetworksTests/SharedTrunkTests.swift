import Tensors
import TestSupport
import Testing

@testable import Networks

/// One ResNet-20 on the image for the routers of all layers.
@Suite("Routers on a shared trunk")
struct SharedTrunkTests {
    private let workspace = Workspace()
    private let filters = FilterCache(capacityMegabytes: 64)

    private func settings(
        _ kind: ExpertKind, router: RouterKind = .resnet20, blocks: [Int] = [1, 1], width: Int = 8
    ) -> NetworkSettings {
        let gate = Gate(topK: 1, isStraightThrough: true, renormalizes: true)
        return NetworkSettings(
            blocks: blocks, width: width, ratio: kind == .channel ? 0.5 : 1, channels: 3,
            imageSize: MapSize(height: 32, width: 32), classes: 10, mean: [0.5, 0.4, 0.45],
            deviation: [0.25, 0.2, 0.3],
            mixture: MixtureSettings(
                kind: kind, placement: Placement(["*"]), includesDownsample: false,
                router: RouterSettings(kind: router, experts: 2, gate: gate, balance: .none, balanceWeight: 0)))
    }

    private func images(_ count: Int) -> Tensor {
        HashedValues(salt: "trunk").images(workspace, count, channels: 3, height: 8, width: 8)
    }

    private func pass(_ network: Network, _ normalization: Normalization = .running, images: Int) -> Pass {
        var pass = Pass(
            parameters: network.parameters, workspace: workspace, filters: filters, arithmetic: .exact,
            normalization: normalization, samples: [Array(0..<images)])
        pass.record = PassRecord()
        return pass
    }

    private func network(_ kind: ExpertKind) throws -> Network {
        let network = try Network(settings(kind), seed: 3)
        // Shifts that keep units on one side of their kinks, and features apart from each other.
        for slot in network.parameters.slots where slot.name.contains(/^router.*bn\d\.bias/) {
            network.parameters.update { $0.values(of: slot).update(repeating: 3) }
        }
        return network
    }

    @Test("there is one trunk and a linear head a layer, counted once each")
    func counted() throws {
        let whole = settings(.channel, blocks: [2, 2, 2, 2], width: 64)
        let slots = try Network.slots(whole)
        func count(_ isWanted: (Slot) -> Bool) -> Int {
            slots.filter { !$0.isStatistic && isWanted($0) }.reduce(0) { $0 + $1.count }
        }
        // The released router is the same trunk with one head of 64 · 2 + 2.
        #expect(count { $0.name.hasPrefix("router.") } == 269_202 - 130)
        #expect(count { $0.group == .router } == 269_202 - 130 + 16 * 130)
        #expect(count { $0.group == .backbone } == 5_565_450)
        let size = MapSize(height: 32, width: 32)
        var pooled = whole
        pooled.mixture?.router.kind = .gapLinear
        let (cost, other) = (try Network.cost(whole, imageSize: size), try Network.cost(pooled, imageSize: size))
        #expect(cost.routers == ResidualTrunk.multiplyAdds(inputs: 3, size) + 16 * 128)
        #expect(cost.path == other.path && cost.allExperts == other.allExperts)
        #expect(try Network(whole, seed: 1).cost == cost)
    }

    @Test(
        "gradients of trunk, heads and image by central differences",
        arguments: [ExpertKind.conv, .block, .channel])
    func gradient(_ kind: ExpertKind) throws {
        let network = try network(kind)
        let x = images(3)
        let layers = network.mixtureLayers
        // With the choices given, routers' scores are smooth functions of the image.
        func observed() -> Pass {
            var pass = self.pass(network, .local, images: 3)
            for layer in layers { pass.given[layer] = .expert(1) }
            pass.observesRouters = true
            return pass
        }
        var weights: [String: [Double]] = [:]
        for (number, layer) in layers.enumerated() {
            weights[layer] = (0..<6).map { Double(($0 * 5 + number * 3) % 7) / 3 - 1 }
        }
        func records(_ pass: Pass) throws -> [RouterRecord] { try #require(pass.record).routers }
        func value() throws -> Double {
            let pass = observed()
            _ = try network.forward([x], pass)
            return try records(pass).reduce(0) { sum, router in
                sum
                    + zip(router.perShard[0].logScores, weights[router.layer] ?? []).reduce(0) {
                        $0 + Double($1.0) * $1.1
                    }
            }
        }
        let pass = observed()
        let (logits, tape) = try network.forward([x], pass)
        var dRouters: [String: [[Double]]] = [:]
        for router in try records(pass) {
            let (scores, own) = (router.perShard[0].scores, try #require(weights[router.layer]))
            dRouters[router.layer] = [
                own.indices.map { own[$0] - (own[$0 & ~1] + own[$0 | 1]) * Double(scores[$0]) }
            ]
        }
        let dLogits = Tensor(like: logits[0])
        dLogits.fill(0)
        let gradients = Gradients(network.parameters)
        let dx = try network.backward(
            [dLogits], dRouters: dRouters, tape, pass, into: gradients.unbalanced, wantsInput: true)
        let slots = network.parameters.slots.filter { !$0.isStatistic && $0.group == .router }
        #expect(slots.contains { $0.name == "router.conv1.weight" })
        #expect(slots.count { $0.name.hasSuffix(".router.weight") } == layers.count)
        // The last maps have a batch's statistics of twelve values a channel, which bend: steps are small, and what twenty layers
        // of float32 leave of the value shows.
        try GradientCheck(step: 0.004, tolerance: 3e-2, directions: 1, noise: 2e-5).check(
            slots.map { .init($0, network.parameters, gradients) } + [.init("image", x, gradient: dx[0].toArray())],
            value: value)
        // Attacks keep no parameters' gradients, and see the same slope.
        let attack = try network.backward([dLogits], dRouters: dRouters, tape, pass, into: nil, wantsInput: true)
        #expect(attack[0].toArray() == dx[0].toArray())
    }

    @Test("each layer's head learns what its own layer's choice was worth")
    func scores() throws {
        let network = try network(.channel)
        let x = images(1)
        let pass = pass(network, images: 1)
        let (logits, tape) = try network.forward([x], pass)
        let (_, dLogits) = CrossEntropy.evaluate(logits[0], [2], divisor: 1)
        let gradients = Gradients(network.parameters)
        _ = try network.backward([dLogits], tape, pass, into: gradients.unbalanced, wantsInput: false)
        for router in try #require(pass.record).routers {
            let (shard, parameters) = (router.perShard[0], network.parameters)
            let filter = try #require(parameters.slots.first { $0.name == "\(router.layer).weight" })
            let bias = try #require(parameters.slots.first { $0.name == "\(router.layer).router.bias" })
            // For one image ⟨dY, Y⟩ = ⟨dW, W⟩; the chosen score's slope passes the softmax.
            let worth = filter.range.reduce(0) { $0 + Double(gradients.arenas[0][$1]) * Double(parameters.values[$1]) }
            let chosen = shard.routes.experts[0]
            let found = gradients.total(of: bias)
            for expert in 0..<2 {
                let (own, other) = (Double(shard.scores[chosen]), Double(shard.scores[expert]))
                let expected = worth * own * ((expert == chosen ? 1 : 0) - other)
                #expect(abs(Double(found[expert]) - expected) <= 1e-3 * abs(worth) * own + 1e-7, "\(router.layer)")
            }
        }
    }

    @Test("passes that ask no router leave the trunk out, its statistics too")
    func bypassed() throws {
        let network = try network(.channel)
        let norm = try #require(network.parameters.slots.first { $0.name == "router.bn1.running_mean" })
        func norms(_ change: (inout Pass) -> Void) throws -> Int {
            var pass = self.pass(network, .local, images: 4)
            change(&pass)
            _ = try network.forward([images(4)], pass)
            return try #require(pass.record).norms.count { $0.norm.mean == norm }
        }
        let layers = network.mixtureLayers
        #expect(try norms { _ in } == 1)
        #expect(try norms { $0.routing = .uniform } == 0)
        #expect(try norms { pass in for layer in layers { pass.given[layer] = .expert(0) } } == 0)
        #expect(try norms { pass in for layer in layers.dropFirst() { pass.given[layer] = .expert(0) } } == 1)
    }
}
