import Networks

/// Two blocks of four channels, the second one's convolutions mixtures of two experts.
package enum TinyNetwork {
    /// Builds it for images of two channels.
    package static func make(classes: Int = 3, width: Int = 4, seed: UInt64 = 1) throws -> Network {
        let router = RouterSettings(
            experts: 2, gate: Gate(topK: 1, isStraightThrough: true, renormalizes: true), balance: .entropy,
            balanceWeight: 0.5)
        return try Network(
            NetworkSettings(
                blocks: [1, 1], width: width, channels: 2, classes: classes, mean: [0.5, 0.25], deviation: [1, 2],
                mixture: MixtureSettings(
                    kind: .conv, placement: Placement(["layer2"]), includesDownsample: true, router: router)),
            seed: seed)
    }

    /// Builds two blocks whose convolutions all have two channel experts, for the same images.
    /// - Parameter router: nil means a ResNet-20 on the image, or a linear layer of the pooled map in every layer.
    package static func makeChannels(
        _ scope: RouterScope, _ router: RouterKind? = nil, classes: Int = 3, seed: UInt64 = 1
    ) throws -> Network {
        let router = RouterSettings(
            kind: router ?? (scope == .image ? .resnet20 : .gapLinear), experts: 2,
            gate: Gate(topK: 1, isStraightThrough: true, renormalizes: true, bypassesSoftmax: scope == .image),
            balance: .none, balanceWeight: 0)
        return try Network(
            NetworkSettings(
                blocks: [1, 1], width: 8, ratio: 0.5, channels: 2, classes: classes, mean: [0.5, 0.25],
                deviation: [1, 2],
                mixture: MixtureSettings(
                    kind: .channel, placement: Placement(["*"]), includesDownsample: false, router: router,
                    scope: scope)),
            seed: seed)
    }
}
