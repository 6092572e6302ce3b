import Datasets
import NetworkAttacks
import Networks

extension RunConfiguration {
    /// What the network of this run is built from, for the images of a data set.
    package func networkSettings(_ traits: DatasetTraits) -> NetworkSettings {
        let none = [Float](repeating: 0, count: traits.channels)
        let ones = [Float](repeating: 1, count: traits.channels)
        let normalizes = model.normalize == .dataset
        return NetworkSettings(
            model.architecture.layers, blocks: model.architecture.blocks,
            stem: model.stem, width: model.width ?? model.architecture.width,
            ratio: model.ratio, channels: traits.channels,
            imageSize: MapSize(height: traits.height, width: traits.width), classes: traits.classes,
            mean: normalizes ? traits.mean : none, deviation: normalizes ? traits.standardDeviation : ones,
            mixture: mixtureSettings, skipsFirstActivation: model.skipFirstActivation,
            initialization: model.initialization)
    }

    private var mixtureSettings: MixtureSettings? {
        guard let kind = moe.kind.value else { return nil }
        let gate = Gate(
            topK: moe.topK, isStraightThrough: moe.isStraightThrough, renormalizes: moe.weights == .renormalised,
            bypassesSoftmax: kind == .channel && moe.scope == .image)
        return MixtureSettings(
            kind: kind, placement: Placement(resolvedPlacement), includesDownsample: moe.includeDownsample,
            router: RouterSettings(
                kind: moe.router.kind(kernel: moe.routerKernel), experts: moe.experts, gate: gate,
                balance: moe.resolvedLoss, balanceWeight: moe.balance.weight * balanceFactor,
                varianceWeight: moe.varianceWeight * balanceFactor, usesGlobalStatistics: moe.statistics == .global),
            scope: moe.scope, slabs: moe.slabs)
    }

    /// The paths that get experts: those given, or the stage with the most channels; none in a dense network.
    package var resolvedPlacement: [String] {
        if moe.kind == .none { return [] }
        return moe.placement ?? (moe.kind.value == .channel ? ["*"] : model.architecture.lastStage)
    }

    /// The factor of balancing losses: `free` may count them several times.
    private var balanceFactor: Double { training.method == .free ? training.methods.free.replayBalanceFactor : 1 }

    /// How images find their experts.
    package var routingRule: RoutingRule {
        // Entropy balancing selects without noise (robust-sparse-moes, "TopKGate").
        let noise = moe.resolvedLoss == .entropy ? 0 : Float(moe.noise)
        return RoutingRule(moe.routes, noise: noise, capacity: moe.capacity, seed: training.seed)
    }

    /// The network's experts in words, such as `dense` or `conv, 4 experts, top-1 at layer4`.
    package var networkWords: String {
        if moe.kind == .none { return "dense" }
        let routes = moe.routes == .learned ? "" : ", \(moe.routes.written.flow) routes"
        return "\(moe.kind.written.flow), \(moe.experts) experts, top-\(moe.topK) at "
            + resolvedPlacement.joined(separator: " ") + routes
    }
}
