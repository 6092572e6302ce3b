import Attacks
import Networks
import Tensors

/// A network as attacks see it: parameters stay untouched, balancing losses take no part, and routes are recomputed at
/// every call, with noise of that call's own if the pass has any.
///
/// Running statistics stay untouched too, unless `movesStatistics` asks for a reference's habit of moving them at every
/// gradient. Calls are then collective, as they are with synchronized normalization.
public struct NetworkTarget: AttackTarget {
    private let network: Network
    private var pass: Pass
    private let movesStatistics: Bool
    private let progress: () throws -> Void

    /// Makes the target.
    /// - Parameters:
    ///   - pass: The pass that every call makes, but for its noise and its record.
    ///   - movesStatistics: Whether gradients move the running statistics, where those do not normalize themselves.
    ///   - progress: Called before every pass; what it throws, the call throws.
    public init(
        _ network: Network, _ pass: Pass, movesStatistics: Bool = false, progress: @escaping () throws -> Void = {}
    ) {
        self.progress = progress
        self.network = network
        self.pass = pass
        self.movesStatistics = movesStatistics && pass.normalization != .running
    }

    /// See ``AttackTarget``.
    public func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) throws -> [ModelOutputs] {
        let pass = try pass(draw: draw, records: readsRouters)
        return ModelOutputs.list(try network.forward(images, pass).logits, pass.record)
    }

    /// See ``AttackTarget``.
    public func outputsAndInputGradient(
        _ images: [Tensor], _ objective: any Objective, draw: Int
    ) throws -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) {
        let pass = try pass(draw: draw, records: movesStatistics || objective.readsRouters)
        let (logits, tape) = try network.forward(images, pass)
        if movesStatistics {
            _ = try pass.record?.settle(extra: images.map { _ in [] }, pass.statistics, pass.parameters)
        }
        let outputs = ModelOutputs.list(logits, objective.readsRouters ? pass.record : nil)
        let values = outputs.enumerated().map { shard, outputs in objective.evaluate(outputs, shard: shard) }
        let dLogits = zip(values, logits).map { value, logits -> Tensor in
            if let gradient = value.dLogits { return gradient }
            let none = Tensor(like: logits)
            none.fill(0)
            return none
        }
        var dRouters: [String: [[Double]]] = [:]
        for layer in Set(values.flatMap(\.dRouters.keys)) { dRouters[layer] = values.map { $0.dRouters[layer] ?? [] } }
        let gradient = try network.backward(dLogits, dRouters: dRouters, tape, pass, into: nil, wantsInput: true)
        return (outputs, values, gradient)
    }

    /// See ``AttackTarget``.
    public func selecting(_ images: [[Int]]) -> NetworkTarget {
        var some = self
        some.pass = pass.selecting(images)
        return some
    }

    private func pass(draw: Int, records: Bool) throws -> Pass {
        try progress()
        var next = pass
        // Noise of draw 0 is that of the training pass itself.
        if case .learned(let training?) = pass.routing { next.routing = .learned(training.redrawn(draw + 1)) }
        next.record = records ? PassRecord() : nil
        return next
    }
}

extension ModelOutputs {
    /// What a pass gave, shard by shard; of routers only what a record holds.
    static func list(_ logits: [Tensor], _ record: PassRecord?) -> [ModelOutputs] {
        logits.enumerated().map { shard, logits in
            let routers = (record?.routers ?? []).map { router in
                RouterOutputs(
                    layer: router.layer, experts: router.experts,
                    logProbabilities: router.perShard[shard].logScores)
            }
            return ModelOutputs(logits: logits, routers: routers)
        }
    }
}

extension PassRecord {
    /// The routes that were taken, by layer, to be given to later passes.
    public var givenRoutes: [String: GivenRoutes] {
        Dictionary(
            routers.map { ($0.layer, .routes($0.perShard.map(\.routes))) }, uniquingKeysWith: { first, _ in first })
    }
}
