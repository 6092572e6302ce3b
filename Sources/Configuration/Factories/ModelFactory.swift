import Datasets
import Networks
import Tensors

extension RunConfiguration {
    /// What the network of this run is built from, for the images of a data set.
    package func networkSettings(_ traits: DatasetTraits) -> NetworkSettings {
        let none = [Float](repeating: 0, count: traits.channels)
        let ones = [Float](repeating: 1, count: traits.channels)
        let normalizes = model.normalize == .dataset
        return NetworkSettings(
            model.architecture.layers, blocks: model.architecture.blocks,
            stem: model.stem == .cifar ? .cifar : .imagenet, width: model.width ?? model.architecture.width,
            ratio: model.ratio, channels: traits.channels,
            imageSize: MapSize(height: traits.height, width: traits.width), classes: traits.classes,
            mean: normalizes ? traits.mean : none, deviation: normalizes ? traits.standardDeviation : ones,
            mixture: mixtureSettings, skipsFirstActivation: model.skipFirstActivation)
    }

    private var mixtureSettings: MixtureSettings? {
        guard let kind = ExpertKind(rawValue: moe.kind.rawValue) else { return nil }
        let balance: BalanceLoss =
            switch moe.resolvedLoss {
            case .automatic, .entropy: .entropy
            case .columnEntropy: .columnEntropy
            case .switchTransformer: .switchLoss
            case .variance: .variance
            case .none: .none
            }
        let router: RouterKind =
            switch moe.router {
            case .gapLinear: .gapLinear
            case .convGap: .convGap(kernel: moe.routerKernel)
            case .doubleConvGap: .doubleConvGap(kernel: moe.routerKernel)
            case .fixedProjection: .fixedProjection
            case .firstChannels: .firstChannels
            case .random: .random
            case .resnet20: .resnet20
            }
        let gate = Gate(
            topK: moe.topK, isStraightThrough: moe.isStraightThrough, renormalises: moe.weights == .renormalised,
            bypassesSoftmax: kind == .channel && moe.scope == .image)
        return MixtureSettings(
            kind: kind, placement: Placement(resolvedPlacement), includesDownsample: moe.includeDownsample,
            router: RouterSettings(
                kind: router, experts: moe.experts, gate: gate, balance: balance,
                balanceWeight: moe.balance.weight * balanceFactor,
                varianceWeight: moe.varianceWeight * balanceFactor, usesGlobalStatistics: moe.statistics == .global),
            scope: moe.scope == .image ? .image : .layer)
    }

    /// The paths that get experts: those given, or the stage with the most channels; none in a dense network.
    package var resolvedPlacement: [String] {
        if moe.kind == .none { return [] }
        return moe.placement ?? (moe.kind == .channel ? ["*"] : model.architecture.lastStage)
    }

    /// The factor of balancing losses: `free` may count them several times.
    private var balanceFactor: Double { training.method == .free ? training.replayBalanceFactor : 1 }

    /// How images find their experts in a training pass of `step`, or, without one, with neither noise nor capacity.
    ///
    /// Passes of one step that differ in `draw` see other noise.
    package func routing(step: Int?, draw: Int = 0) -> Routing {
        switch moe.routes {
        case .uniform: return .uniform
        case .expert(let number): return .fixed(number)
        case .learned:
            guard let step else { return .learned(nil) }
            // Entropy balancing selects without noise (robust-sparse-moes, "TopKGate").
            let noise = moe.resolvedLoss == .entropy ? 0 : Float(moe.noise)
            let training = TrainingRouting(noise: noise, capacity: moe.capacity, seed: training.seed, step: step)
            return .learned(training.redrawn(draw))
        }
    }

    /// What batch norm normalises by in training passes.
    package var normalization: Normalization { distributed.batchNorm == .synchronized ? .synchronized : .local }

    /// Which kernels may be used.
    package var kernelArithmetic: Arithmetic { kernels.arithmetic == .exact ? .exact : .fast }
}

extension RunConfiguration.Model.Architecture {
    /// How its layers are put together.
    package var layers: NetworkSettings.Architecture {
        switch self {
        case .resnet18, .resnet34: .resNet(.basic)
        case .resnet50, .resnet101: .resNet(.bottleneck(widening: 1))
        case .wideResnet50, .wideResnet101: .resNet(.bottleneck(widening: 2))
        case .wideResnet28: .wideResNet(widening: 10)
        case .wideResnet16: .wideResNet(widening: 4)
        case .vgg16: .vgg
        case .densenet40: .denseNet
        case .preactivationResnet18: .preactivationResNet
        }
    }

    /// Residual blocks, convolutions or dense layers of each stage.
    package var blocks: [Int] {
        switch self {
        case .resnet18, .preactivationResnet18: [2, 2, 2, 2]
        case .resnet34, .resnet50, .wideResnet50: [3, 4, 6, 3]
        case .resnet101, .wideResnet101: [3, 4, 23, 3]
        case .wideResnet28: [4, 4, 4]
        case .wideResnet16: [2, 2, 2]
        case .vgg16: [2, 2, 3, 3, 3]
        case .densenet40: [6, 6, 6]
        }
    }

    /// Channels of the first stage.
    package var width: Int {
        switch self {
        case .wideResnet28: 160
        case .densenet40: 24
        case .resnet18, .resnet34, .resnet50, .resnet101, .wideResnet50, .wideResnet101, .wideResnet16, .vgg16,
            .preactivationResnet18:
            64
        }
    }

    /// The paths of its last stage.
    package var lastStage: [String] {
        switch self {
        case .wideResnet28, .wideResnet16: ["block3"]
        case .vgg16: ["features.34", "features.37", "features.40"]
        case .densenet40: ["features.denseblock3"]
        case .resnet18, .resnet34, .resnet50, .resnet101, .wideResnet50, .wideResnet101, .preactivationResnet18:
            ["layer4"]
        }
    }
}
