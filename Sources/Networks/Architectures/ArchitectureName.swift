/// An architecture that has a name: what configurations call it, and what it is built of.
public enum ArchitectureName: String, CaseIterable, Sendable {
    /// Residual networks with torchvision's names.
    case resnet18, resnet34, resnet50, resnet101
    /// Wide ResNets of pre-activation blocks, for small images.
    case wideResnet28 = "wrn-28-10"
    /// See ``wideResnet28``.
    case wideResnet16 = "wrn-16-4"
    /// Wide ResNets of bottlenecks.
    case wideResnet50 = "wrn-50-2"
    /// See ``wideResnet50``.
    case wideResnet101 = "wrn-101-2"
    /// With batch norm, and a classifier of three layers.
    case vgg16
    /// DenseNet-BC of 40 layers, each 12 channels more.
    case densenet40
    /// ResNet-18 of pre-activation blocks.
    case preactivationResnet18 = "preact-resnet18"
}

extension ArchitectureName {
    /// How its layers are put together.
    public var layers: NetworkSettings.Architecture {
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
    public var blocks: [Int] {
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
    public var width: Int {
        switch self {
        case .wideResnet28: 160
        case .densenet40: 24
        case .resnet18, .resnet34, .resnet50, .resnet101, .wideResnet50, .wideResnet101, .wideResnet16, .vgg16,
            .preactivationResnet18:
            64
        }
    }

    /// The paths of its last stage.
    public var lastStage: [String] {
        switch self {
        case .wideResnet28, .wideResnet16: ["block3"]
        case .vgg16: ["features.34", "features.37", "features.40"]
        case .densenet40: ["features.denseblock3"]
        case .resnet18, .resnet34, .resnet50, .resnet101, .wideResnet50, .wideResnet101, .preactivationResnet18:
            ["layer4"]
        }
    }
}
