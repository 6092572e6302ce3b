import Foundation
import Tensors

/// How the experts of every mixture layer are chosen and balanced.
public struct RouterSettings: Hashable, Sendable {
    /// Experts of each layer.
    public var experts: Int
    /// From scores to routes.
    public var gate: Gate
    /// The balancing loss.
    public var balance: BalanceLoss
    /// Its weight.
    public var balanceWeight: Double
    /// Whether the balancing loss and the noise see the global batch; otherwise each shard its own images.
    public var usesGlobalStatistics: Bool

    /// Makes settings; see the properties.
    public init(
        experts: Int, gate: Gate, balance: BalanceLoss, balanceWeight: Double, usesGlobalStatistics: Bool = true
    ) {
        self.experts = experts
        self.gate = gate
        self.balance = balance
        self.balanceWeight = balanceWeight
        self.usesGlobalStatistics = usesGlobalStatistics
    }
}

/// What one router did in a recorded pass.
public final class RouterRecord {
    /// What it did with one shard.
    public struct Shard {
        /// Softmax probabilities, `[images][experts]`; empty when the router was bypassed.
        public let scores: [Float]
        /// The routes taken.
        public let routes: Routes
        /// This shard's part of the global sums.
        public let sums: RouterSums
    }
    /// The path of the mixture layer.
    public let layer: String
    /// Its experts.
    public let experts: Int
    /// Its settings.
    public let settings: RouterSettings
    /// One entry for each shard of this rank.
    public let perShard: [Shard]
    /// The sums over the global batch, once the record is settled.
    public internal(set) var global: RouterSums

    init(layer: String, settings: RouterSettings, perShard: [Shard]) {
        self.layer = layer
        self.settings = settings
        self.perShard = perShard
        experts = settings.experts
        global = RouterSums(experts: settings.experts)
    }

    /// The weighted balancing loss of the global batch; 0 when the router was bypassed, whose sums hold no images.
    public var balanceLoss: Double {
        global.images > 0 ? settings.balanceWeight * settings.balance.value(global) : 0
    }
}

/// The gap-linear router: global average pooling, a linear layer, softmax over the experts.
struct Router {
    let path: String
    let weight: Slot
    let bias: Slot
    let inputs: Int
    let settings: RouterSettings

    init(_ path: String, inputs: Int, _ settings: RouterSettings, _ parameters: Parameters) {
        self.path = path
        self.inputs = inputs
        self.settings = settings
        let initial = Initializer.uniform(bound: 1 / Float(inputs).squareRoot())
        weight = parameters.register(
            "\(path).router.weight", .matrix(inputs: inputs, outputs: settings.experts), initial, group: .router)
        bias = parameters.register("\(path).router.bias", .vector(settings.experts), initial, group: .router)
    }

    /// What ``backward(_:_:_:into:)`` needs; no pooled input where the router was bypassed.
    struct Tape {
        let pooled: [Tensor]
        let scores: [[Float]]
        let logScores: [[Float]]
        let routes: [Routes]
        let record: RouterRecord?
        var isBypassed: Bool { pooled.isEmpty }
    }

    /// Chooses experts for the images of every shard, `x` being what the experts see.
    func forward(_ x: [Tensor], _ pass: Pass) throws -> Tape {
        guard case .learned(let noise) = pass.routing, pass.given[path] == nil else { return bypass(x, pass) }
        let experts = settings.experts
        var pooled: [Tensor] = []
        var scores: [[Float]] = []
        var logScores: [[Float]] = []
        for shard in x {
            let mean = Pooling.average(shard)
            pooled.append(mean)
            var logits = [Float](repeating: 0, count: shard.images * experts)
            let offsets = pass.parameters.values(of: bias)
            logits.withUnsafeMutableBufferPointer { logits in
                guard let target = logits.baseAddress else { return }
                MatrixProduct.multiply(
                    shard.images, experts, inputs, mean.pointer, inputs, pass.parameters.pointer(weight), experts,
                    into: target, experts, purpose: .router)
            }
            var logs = [Float](repeating: 0, count: logits.count)
            for image in 0..<shard.images {
                let row = image * experts..<(image + 1) * experts
                for place in row { logits[place] += offsets[place - row.lowerBound] }
                let largest = logits[row].max() ?? 0
                var sum = 0.0
                for place in row { sum += exp(Double(logits[place] - largest)) }
                let logSum = log(sum)
                for place in row { logs[place] = Float(Double(logits[place] - largest) - logSum) }
            }
            logScores.append(logs)
            scores.append(logs.map { Float(exp(Double($0))) })
        }
        let preferences = try noise.map { try noisy(scores, $0, pass) } ?? scores
        let routes = zip(scores, preferences).map {
            settings.gate.choose(scores: $0, preferences: $1, experts: experts)
        }
        let record = record(scores, logScores, routes, pass)
        return Tape(pooled: pooled, scores: scores, logScores: logScores, routes: routes, record: record)
    }

    /// Scores over their standard deviation in the batch, plus noise (robust-sparse-moes, "TopKGate"); the mean is taken
    /// off first, which changes no choice but keeps the noise where all scores are nearly equal.
    private func noisy(_ scores: [[Float]], _ noise: RoutingNoise, _ pass: Pass) throws -> [[Float]] {
        let experts = settings.experts
        let moments = scores.map { list in
            [
                Double(list.count), list.reduce(0) { $0 + Double($1) },
                list.reduce(0) { $0 + Double($1) * Double($1) },
            ]
        }
        let global = try settings.usesGlobalStatistics ? pass.statistics.sum(moments) : nil
        return scores.indices.map { shard in
            let sums = global ?? moments[shard]
            let mean = sums[1] / max(1, sums[0])
            let deviation = (max(0, sums[2] - sums[1] * mean) / max(1, sums[0] - 1)).squareRoot()
            let scale = deviation > 0 ? 1 / deviation : 0
            var result = scores[shard]
            for image in 0..<result.count / experts {
                // The slot's offset tells the layers apart, the sample's index the images: no rank, no order.
                var stream = RandomStream(
                    seed: noise.seed &+ UInt64(weight.offset), purpose: .routingNoise, step: noise.step,
                    index: pass.samples[shard][image])
                for place in image * experts..<(image + 1) * experts {
                    result[place] = Float((Double(result[place]) - mean) * scale) + noise.deviation * stream.normal()
                }
            }
            return result
        }
    }

    /// Routes that ask no router: given from outside, or image index modulo experts, with equal weights.
    private func bypass(_ x: [Tensor], _ pass: Pass) -> Tape {
        let routes = x.indices.map { givenRoutes(shard: $0, images: x[$0].images, pass) }
        let none = [[Float]](repeating: [], count: x.count)
        return Tape(
            pooled: [], scores: none, logScores: none, routes: routes, record: record(none, none, routes, pass))
    }

    private func givenRoutes(shard: Int, images: Int, _ pass: Pass) -> Routes {
        switch (pass.given[path], pass.routing) {
        case (.routes(let routes), _): return routes[shard]
        case (.expert(let expert), _), (nil, .fixed(let expert)):
            return Routes(
                choices: 1, experts: [Int](repeating: expert, count: images),
                weights: [Float](repeating: 1, count: images))
        case (nil, .uniform), (nil, .learned):
            let choices = settings.gate.topK
            let chosen = (0..<images).flatMap { image in
                (0..<choices).map { (pass.samples[shard][image] + $0) % settings.experts }
            }
            return Routes(
                choices: choices, experts: chosen, weights: [Float](repeating: 1 / Float(choices), count: chosen.count))
        }
    }

    private func record(
        _ scores: [[Float]], _ logScores: [[Float]], _ routes: [Routes], _ pass: Pass
    ) -> RouterRecord? {
        guard let passRecord = pass.record else { return nil }
        let experts = settings.experts
        let shards = routes.indices.map { shard -> RouterRecord.Shard in
            var sums = RouterSums(experts: experts)
            for image in 0..<scores[shard].count / experts {
                let row = image * experts..<(image + 1) * experts
                sums.add(scores: scores[shard][row], logScores: logScores[shard][row])
            }
            for expert in routes[shard].experts { sums.chosen[expert] += 1 }
            return RouterRecord.Shard(scores: scores[shard], routes: routes[shard], sums: sums)
        }
        let result = RouterRecord(layer: path, settings: settings, perShard: shards)
        passRecord.routers.append(result)
        return result
    }

    /// Backward of one shard: adds the gradient of weight and bias, and returns that of the pooled input, or nil where
    /// the router was bypassed.
    ///
    /// - Parameters:
    ///   - dWeights: Gradient of the routing weights, `[images][k]`.
    ///   - gradients: Where to add; the balancing loss takes part only then, since attacks never see it.
    func backward(
        _ dWeights: [Float], _ tape: Tape, shard: Int, _ pass: Pass, into gradients: Gradients?
    ) -> Tensor? {
        if tape.isBypassed { return nil }
        let experts = settings.experts
        let (scores, logScores) = (tape.scores[shard], tape.logScores[shard])
        let dScores = settings.gate.backward(dWeights, scores: scores, tape.routes[shard], experts: experts)
        let pooled = tape.pooled[shard]
        let dLogits = Tensor(pass.workspace, images: pooled.images, channels: experts)
        let balance = gradients == nil ? nil : tape.record.flatMap { balanceSums($0, shard: shard) }
        for image in 0..<pooled.images {
            let row = image * experts..<(image + 1) * experts
            var upstream = dScores[row].map(Double.init)
            if let balance {
                let terms = settings.balance.scoreGradient(logScores: logScores[row], balance.sums)
                for expert in 0..<experts { upstream[expert] += balance.weight * terms[expert] }
            }
            // Softmax: ds/dlogits = diag(s) − s sᵀ. A score of 0 makes its own term vanish.
            let inner = zip(upstream, scores[row]).reduce(0) { $0 + $1.0 * Double($1.1) }
            for expert in 0..<experts {
                dLogits.pointer[row.lowerBound + expert] =
                    Float(Double(scores[row.lowerBound + expert]) * (upstream[expert] - inner))
            }
        }
        if let gradients {
            MatrixProduct.multiply(
                inputs, experts, pooled.images, pooled.pointer, inputs, transposeA: true, dLogits.pointer, experts,
                into: gradients.pointer(weight, shard: shard), experts, accumulate: true, purpose: .router)
            let dBias = gradients.pointer(bias, shard: shard)
            for place in 0..<dLogits.count { dBias[place % experts] += dLogits.pointer[place] }
        }
        let dPooled = Tensor(like: pooled)
        MatrixProduct.multiply(
            pooled.images, inputs, experts, dLogits.pointer, experts, pass.parameters.pointer(weight), experts,
            transposeB: true, into: dPooled.pointer, inputs, purpose: .router)
        return dPooled
    }

    /// The sums that this shard's balancing gradient is taken at, and the factor of the loss.
    private func balanceSums(_ record: RouterRecord, shard: Int) -> (sums: RouterSums, weight: Double)? {
        if settings.balance == .none { return nil }
        if settings.usesGlobalStatistics { return (record.global, settings.balanceWeight) }
        let local = record.perShard[shard].sums
        return (local, settings.balanceWeight * local.images / max(1, record.global.images))
    }
}
