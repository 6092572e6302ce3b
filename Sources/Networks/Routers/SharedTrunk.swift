import Tensors

/// The one residual network on the image whose pooled maps the routers of all mixture layers read, each through a linear
/// head of its own: a choice a layer for the price of one ``RouterKind/resnet20``.
struct SharedTrunk {
    /// The path of its parameters.
    static let path = NetworkBuilder.imageRouterPath

    private let trunk: ResidualTrunk

    struct Tape {
        /// The images as the trunk saw them.
        let images: [Tensor]
        let trunk: ResidualTrunk.Tape
        let maps: [Tensor]
        /// The means of the maps, `[images, 1, 1, channels]` a shard.
        let pooled: [Tensor]
    }

    init(inputs: Int, _ parameters: Parameters) {
        trunk = ResidualTrunk(Self.path, inputs: inputs, parameters)
    }

    func forward(_ images: [Tensor], _ pass: Pass) throws -> Tape {
        let (maps, tape) = try trunk.forward(images, pass)
        return Tape(images: images, trunk: tape, maps: maps, pooled: maps.map(Pooling.average))
    }

    /// Adds the gradients of the trunk's parameters, and returns `dx` plus the trunk's part of the gradient of the images,
    /// or nothing where `dx` is nil.
    /// - Parameter features: What the heads of all layers have said.
    func backward(
        _ features: FeatureGradients, _ tape: Tape, adding dx: [Tensor]?, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor] {
        let dMaps = zip(features.perShard, tape.maps).map { gradient, map in
            let result = Tensor(like: map)
            Pooling.averageBackward(gradient, mask: map, into: result)
            return result
        }
        return try trunk.backward(dMaps, tape.trunk, adding: dx, masksInput: false, pass, into: gradients)
    }
}

/// What a ``SharedTrunk`` made of the images of a pass, for the heads of all layers.
struct TrunkFeatures {
    /// The means of its maps, `[images, 1, 1, channels]` a shard.
    let pooled: [Tensor]
    /// Receives the gradient of these, or nil where nobody asks.
    let gradients: FeatureGradients?
}

/// Sums over layers of the gradient of a trunk's features.
final class FeatureGradients {
    let perShard: [Tensor]

    init(like features: [Tensor]) {
        perShard = features.map { features in
            let zeros = Tensor(like: features)
            zeros.fill(0)
            return zeros
        }
    }

    func add(_ gradients: [Tensor]) {
        for (gradient, sum) in zip(gradients, perShard) { ChannelOperations.add(gradient, to: sum) }
    }
}
