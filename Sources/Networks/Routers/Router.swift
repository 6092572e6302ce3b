import Foundation
import Tensors

/// Scores the experts of a mixture layer for each image, chooses among them, and carries gradients back.
struct Router {
    let path: String
    let settings: RouterSettings
    let network: any RouterNetwork
    /// Tells the draws of layers apart.
    private let stream: UInt64

    /// - Parameter readsTrunk: Whether it is a head on the network's ``SharedTrunk``.
    init(
        _ path: String, inputs: Int, _ settings: RouterSettings, readsTrunk: Bool = false, _ parameters: Parameters
    ) {
        self.path = path
        self.settings = settings
        stream = UInt64(parameters.parameterCount)
        network =
            readsTrunk
            ? TrunkHeadRouter(path, experts: settings.experts, parameters)
            : settings.kind.network(path, inputs: inputs, experts: settings.experts, parameters)
    }

    /// What ``backward(_:_:_:adding:masksInput:_:into:)`` needs; no network's tape where the router was bypassed.
    struct Tape {
        let network: (any RecordedRouterNetwork)?
        /// Whether the routes are those that the router chose.
        let decides: Bool
        let scores: [[Float]]
        let logScores: [[Float]]
        let routes: [Routes]
    }

    /// Chooses experts for the images of every shard, `x` being what the experts see.
    func forward(_ x: [Tensor], _ pass: Pass) throws -> Tape {
        let isGiven = pass.given[path] != nil
        guard case .learned(let training) = pass.routing, !isGiven || pass.observesRouters else {
            return bypass(x, pass)
        }
        let (logits, recorded) = try network.record(x, pass)
        for logits in logits { try pass.check(logits, of: "the router of layer \(path)") }
        let logScores = logits.map(logSoftmax)
        let scores = logScores.map { $0.map { Float(exp(Double($0))) } }
        if isGiven {
            let routes = x.indices.map { givenRoutes(shard: $0, images: x[$0].images, pass) }
            record(scores, logScores, routes, pass)
            return Tape(network: recorded, decides: false, scores: scores, logScores: logScores, routes: routes)
        }
        // Where the softmax underflows or rounds, two logits may become one score.
        let clean = settings.gate.bypassesSoftmax ? logits : scores
        let chosen = try training.map { try choose(scores, clean, $0, pass) } ?? clean.map { best($0) }
        let routes = zip(scores, chosen).map { settings.gate.weigh(scores: $0, chosen: $1, experts: settings.experts) }
        record(scores, logScores, routes, pass)
        return Tape(network: recorded, decides: true, scores: scores, logScores: logScores, routes: routes)
    }

    private func best(_ preferences: [Float]) -> [Int] {
        settings.gate.choose(preferences, experts: settings.experts)
    }

    private func logSoftmax(_ logits: [Float]) -> [Float] {
        logits.withUnsafeBufferPointer { buffer in
            guard let first = buffer.baseAddress else { return [] }
            return stride(from: 0, to: buffer.count, by: settings.experts).flatMap { start in
                LogSoftmax.row(first + start, count: settings.experts).map(Float.init)
            }
        }
    }

    /// Chooses with noise and under capacity, as training passes do.
    private func choose(
        _ scores: [[Float]], _ clean: [[Float]], _ training: TrainingRouting, _ pass: Pass
    ) throws -> [[Int]] {
        if training.noise == 0, training.capacity == nil { return clean.map(best) }
        let preferences = try standardized(scores, training, pass)
        guard let factor = training.capacity else { return preferences.map(best) }
        let assignment = CapacityAssignment(
            experts: settings.experts, topK: settings.gate.topK, capacityFactor: factor)
        guard settings.usesGlobalStatistics else { return preferences.map(assignment.choose) }
        // Every rank computes the assignment of the whole batch, and takes its part of it.
        let whole = try pass.statistics.gather(preferences, for: path)
        let chosen = assignment.choose(whole.values)
        return zip(preferences, whole.starts).map { own, start in
            let first = start / settings.experts * settings.gate.topK
            return Array(chosen[first..<first + own.count / settings.experts * settings.gate.topK])
        }
    }

    /// Scores over their standard deviation in the batch, plus noise (robust-sparse-moes, "TopKGate"); the mean is taken
    /// off first, which changes no choice but keeps the noise where all scores are nearly equal.
    private func standardized(_ scores: [[Float]], _ training: TrainingRouting, _ pass: Pass) throws -> [[Float]] {
        let experts = settings.experts
        let moments = scores.map { list in
            [
                Double(list.count), list.reduce(0) { $0 + Double($1) },
                list.reduce(0) { $0 + Double($1) * Double($1) },
            ]
        }
        let global = try settings.usesGlobalStatistics ? pass.statistics.sum(moments, for: path) : nil
        return scores.indices.map { shard in
            let sums = global ?? moments[shard]
            let mean = sums[1] / max(1, sums[0])
            let deviation = (max(0, sums[2] - sums[1] * mean) / max(1, sums[0] - 1)).squareRoot()
            let scale = deviation > 0 ? 1 / deviation : 0
            var result = scores[shard]
            for image in 0..<result.count / experts {
                // The layer's stream and the sample's index: no rank, no order.
                var numbers = RandomStream(
                    seed: training.seed &+ stream, purpose: .routingNoise, step: training.step,
                    index: training.noise > 0 ? pass.samples[shard][image] : 0)
                for place in image * experts..<(image + 1) * experts {
                    let noise = training.noise > 0 ? training.noise * numbers.normal() : 0
                    result[place] = Float((Double(result[place]) - mean) * scale) + noise
                }
            }
            return result
        }
    }

    /// Routes that ask no router: given from outside, or image index modulo experts, with equal weights.
    private func bypass(_ x: [Tensor], _ pass: Pass) -> Tape {
        let routes = x.indices.map { givenRoutes(shard: $0, images: x[$0].images, pass) }
        let none = [[Float]](repeating: [], count: x.count)
        record(none, none, routes, pass)
        return Tape(network: nil, decides: false, scores: none, logScores: none, routes: routes)
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

    private func record(_ scores: [[Float]], _ logScores: [[Float]], _ routes: [Routes], _ pass: Pass) {
        guard let record = pass.record else { return }
        let experts = settings.experts
        let shards = routes.indices.map { shard -> RouterRecord.Shard in
            var sums = RouterSums(experts: experts)
            for image in 0..<scores[shard].count / experts {
                let row = image * experts..<(image + 1) * experts
                sums.add(scores: scores[shard][row], logScores: logScores[shard][row])
            }
            for expert in routes[shard].experts { sums.chosen[expert] += 1 }
            return RouterRecord.Shard(
                scores: scores[shard], logScores: logScores[shard], routes: routes[shard], sums: sums,
                outputs: ExpertOutputs(experts: experts))
        }
        record.routers.append(RouterRecord(layer: path, settings: settings, perShard: shards))
    }

    /// Notes what the experts gave, `[shard][expert]`, where the loss of its variance needs it.
    func noteOutputs(_ results: @autoclosure () -> [[Tensor]], _ tape: Tape, _ pass: Pass) {
        guard settings.varianceWeight > 0, !pass.folds, tape.decides, let record = pass.record else { return }
        record.note(results().map { ExpertOutputs($0) }, layer: path)
    }

    /// What the loss of outputs' variance adds to the gradient of every element of each expert's output, if anything;
    /// attacks never see it.
    func outputGradient(shard: Int, into gradients: GradientAccumulator?) -> [Float]? {
        gradients?.balance.outputGradient(path, shard: shard)
    }

    /// Adds the gradients of the router's parameters, and returns `dx` plus the router's part of the gradient of its
    /// input `x`, kept where the input is positive if `masksInput`; `dx` may be overwritten.
    ///
    /// - Parameters:
    ///   - dWeights: For each shard the gradient of the routing weights, `[images][k]`.
    ///   - dx: The experts' part, or nil if the gradient of the input is not wanted: then nothing is returned.
    ///   - gradients: Where to add; the balancing loss takes part only then, since attacks never see it.
    func backward(
        _ dWeights: [[Float]], _ tape: Tape, _ x: [Tensor], adding dx: [Tensor]?, masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor] {
        guard let network = tape.network else {
            return Self.withoutGradient(x, adding: dx, masksInput: masksInput)
        }
        let dLogits = dWeights.indices.map {
            logitGradient(dWeights[$0], tape, shard: $0, pass, gradients?.balance)
        }
        return try network.backward(dLogits, x, adding: dx, masksInput: masksInput, pass, into: gradients)
    }

    /// Adds the gradients of the router's parameters for a loss of its logits alone, `[images, 1, 1, experts]` a shard.
    func backward(
        _ dLogits: [Tensor], _ tape: Tape, _ x: [Tensor], _ pass: Pass, into gradients: GradientAccumulator
    ) throws {
        _ = try tape.network?.backward(dLogits, x, adding: nil, masksInput: false, pass, into: gradients)
    }

    /// What is left of ``backward(_:_:_:adding:masksInput:_:into:)`` where no gradient passes the router.
    static func withoutGradient(_ x: [Tensor], adding dx: [Tensor]?, masksInput: Bool) -> [Tensor] {
        guard let dx else { return [] }
        if masksInput { for shard in dx.indices { ChannelOperations.gate(dx[shard], by: x[shard]) } }
        return dx
    }

    private func logitGradient(
        _ dWeights: [Float], _ tape: Tape, shard: Int, _ pass: Pass, _ balance: BalanceTerms?
    ) -> Tensor {
        let experts = settings.experts
        let (scores, logScores) = (tape.scores[shard], tape.logScores[shard])
        let dScores =
            tape.decides
            ? settings.gate.backward(
                dWeights, scores: scores, tape.routes[shard], experts: experts, by: pass.gateGradient)
            : [Float](repeating: 0, count: scores.count)
        let images = scores.count / experts
        let dLogits = Tensor(pass.workspace, images: images, channels: experts)
        let balance = balance?.scores(path, shard: shard)
        let own = pass.routerGradients[path]?[shard]
        for image in 0..<images {
            let row = image * experts..<(image + 1) * experts
            // What is added to the gradient of the logits, and what passes the softmax first.
            let direct = settings.gate.bypassesSoftmax ? dScores[row].map(Double.init) : nil
            var upstream = direct == nil ? dScores[row].map(Double.init) : [Double](repeating: 0, count: experts)
            if let balance {
                let terms = settings.balance.scoreGradient(
                    scores: scores[row], logScores: logScores[row], balance.sums)
                for expert in 0..<experts { upstream[expert] += balance.weight * terms[expert] }
            }
            // Softmax: ds/dlogits = diag(s) − s sᵀ. A score of 0 makes its own term vanish.
            let inner = zip(upstream, scores[row]).reduce(0) { $0 + $1.0 * Double($1.1) }
            for expert in 0..<experts {
                let place = row.lowerBound + expert
                var value = Double(scores[place]) * (upstream[expert] - inner) + (direct?[expert] ?? 0)
                if let own { value += own[place] }
                dLogits.pointer[place] = Float(value)
            }
        }
        return dLogits
    }
}
