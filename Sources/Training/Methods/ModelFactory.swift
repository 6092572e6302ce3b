import Datasets
import Networks
import Tensors

extension RunConfiguration {
    /// What the network of this run is built from, for the images of a data set.
    public func networkSettings(_ traits: DatasetTraits) -> ResNetSettings {
        let none = [Float](repeating: 0, count: traits.channels)
        let ones = [Float](repeating: 1, count: traits.channels)
        let normalizes = model.normalize == .dataset
        return ResNetSettings(
            blocks: model.architecture == .resnet18 ? [2, 2, 2, 2] : [3, 4, 6, 3], width: model.width ?? 64,
            channels: traits.channels, classes: traits.classes, mean: normalizes ? traits.mean : none,
            deviation: normalizes ? traits.standardDeviation : ones, mixture: mixtureSettings)
    }

    private var mixtureSettings: MixtureSettings? {
        guard let kind = ExpertKind(rawValue: moe.kind.rawValue) else { return nil }
        let balance: BalanceLoss =
            switch moe.balance.loss {
            case .entropy: .entropy
            case .switchTransformer: .switchLoss
            case .none: .none
            }
        let gate = Gate(
            topK: moe.topK, isStraightThrough: moe.isStraightThrough, renormalises: moe.weights == .renormalised)
        return MixtureSettings(
            kind: kind, placement: Placement(moe.resolvedPlacement), includesDownsample: moe.includeDownsample,
            router: RouterSettings(
                experts: moe.experts, gate: gate, balance: balance, balanceWeight: balanceWeight,
                usesGlobalStatistics: moe.statistics == .global))
    }

    /// The factor of balancing losses; `free` may count them several times.
    private var balanceWeight: Double {
        moe.balance.weight * (training.method == .free ? training.replayBalanceFactor : 1)
    }

    /// How images find their experts in a training pass of `step`, or, without one, when nothing is noisy.
    ///
    /// Passes of one step that differ in `draw` see other noise.
    func routing(step: Int?, draw: Int = 0) -> Routing {
        switch moe.routes {
        case .uniform: return .uniform
        case .expert(let number): return .fixed(number)
        case .learned:
            // Entropy balancing selects without noise (robust-sparse-moes, "TopKGate").
            guard let step, moe.noise > 0, moe.balance.loss != .entropy else { return .learned(noise: nil) }
            let noise = RoutingNoise(deviation: Float(moe.noise), seed: training.seed, step: step)
            return .learned(noise: noise.redrawn(draw))
        }
    }

    /// What batch norm normalises by in training passes.
    var normalization: Normalization { distributed.batchNorm == .synchronized ? .synchronized : .local }

    /// Which kernels may be used.
    var kernelArithmetic: Arithmetic { kernels.arithmetic == .exact ? .exact : .fast }
}
