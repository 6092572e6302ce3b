/// Registers a residual network's slots in torchvision's order and decides which layers become mixtures.
final class NetworkBuilder {
    private let settings: NetworkSettings
    private let parameters: Parameters
    /// Paths that a placement may name.
    private(set) var candidates: [String] = []
    private(set) var mixtureLayers: [String] = []

    init(_ settings: NetworkSettings, _ parameters: Parameters) {
        self.settings = settings
        self.parameters = parameters
    }

    /// What a convolution is for.
    enum Role {
        case stem, body, shortcut
    }

    /// A convolution's place and shape.
    struct Shape {
        var inputs: Int
        var outputs: Int
        var kernel: Int
        var stride = 1
        /// The map that it sees, if known.
        var map: MapSize?

        /// The map behind it.
        var outputMap: MapSize? { map?.after(kernel: kernel, stride: stride, padding: kernel / 2) }
    }

    /// A block or, where the placement says so, a mixture of blocks.
    ///
    /// - Parameters:
    ///   - channels: The stage's channels; the block puts out ``NetworkSettings/Block/expansion`` times as many.
    ///   - map: The size of its input, if known.
    func element(
        _ path: String, inputs: Int, channels: Int, stride: Int, map: MapSize? = nil
    ) throws -> Network.Element {
        func block(_ path: String, owner: ExpertOwner?) throws -> ResidualBlock {
            try residualBlock(path, inputs: inputs, channels: channels, stride: stride, map: map, owner: owner)
        }
        if let mixture = settings.mixture, mixture.kind == .block {
            candidates.append(path)
            if mixture.placement.covers(path) {
                mixtureLayers.append(path)
                let router = try router(path, inputs: inputs, map: map, mixture.router)
                let experts = try (0..<mixture.router.experts).map { expert in
                    try block("\(path).experts.\(expert)", owner: ExpertOwner(layer: path, expert: expert))
                }
                return .experts(ExpertBlock(router: router, experts: experts))
            }
        }
        return .block(try block(path, owner: nil))
    }

    private func residualBlock(
        _ path: String, inputs: Int, channels: Int, stride: Int, map: MapSize?, owner: ExpertOwner?
    ) throws -> ResidualBlock {
        let outputs = channels * settings.block.expansion
        let shapes: [(outputs: Int, kernel: Int, stride: Int)]
        switch settings.block {
        case .basic: shapes = [(outputs, 3, stride), (outputs, 3, 1)]
        case .bottleneck(let widening):
            let inner = channels * widening
            shapes = [(inner, 1, 1), (inner, 3, stride), (outputs, 1, 1)]
        }
        var units: [NormalizedConvolution] = []
        var shape = Shape(inputs: inputs, outputs: outputs, kernel: 1, map: map)
        for (index, next) in shapes.enumerated() {
            (shape.outputs, shape.kernel, shape.stride) = next
            units.append(try unit("\(path).conv\(index + 1)", norm: "\(path).bn\(index + 1)", shape, owner: owner))
            shape.map = shape.outputMap
            shape.inputs = shape.outputs
        }
        var downsample: NormalizedConvolution?
        if stride != 1 || inputs != outputs {
            downsample = try unit(
                "\(path).downsample.0", norm: "\(path).downsample.1",
                Shape(inputs: inputs, outputs: outputs, kernel: 1, stride: stride, map: map), role: .shortcut,
                owner: owner)
        }
        return ResidualBlock(units: units, downsample: downsample)
    }

    /// A convolution, or a mixture of convolutions, and its batch norm.
    func unit(
        _ path: String, norm: String, _ shape: Shape, role: Role = .body, owner: ExpertOwner? = nil
    ) throws -> NormalizedConvolution {
        func convolution(_ path: String, _ initializer: Initializer, _ owner: ExpertOwner?) -> Convolution {
            Convolution(
                path, inputs: shape.inputs, outputs: shape.outputs, kernel: shape.kernel, stride: shape.stride,
                parameters, initializer, owner: owner)
        }
        let taps = shape.kernel * shape.kernel
        var operation: NormalizedConvolution.Operation?
        if let mixture = settings.mixture, isCandidate(role, mixture) {
            candidates.append(path)
            if mixture.placement.covers(path), mixture.kind == .channel {
                operation = try slabs(path, shape, mixture)
            } else if mixture.placement.covers(path) {
                mixtureLayers.append(path)
                let router = try router(path, inputs: shape.inputs, map: shape.map, mixture.router)
                // Experts are drawn He-normal over their fan-in, the backbone over its fan-out, as in the reference.
                let experts = (0..<mixture.router.experts).map { expert in
                    convolution(
                        "\(path).experts.\(expert)", .heNormal(fan: taps * shape.inputs),
                        ExpertOwner(layer: path, expert: expert))
                }
                operation = .experts(ExpertConvolution(router: router, experts: experts))
            }
        }
        let fan = owner == nil ? taps * shape.outputs : taps * shape.inputs
        let chosen = operation ?? .plain(SlabConvolution(convolution(path, .heNormal(fan: fan), owner)))
        return NormalizedConvolution(
            path: path, operation: chosen,
            norm: BatchNorm(norm, channels: shape.outputs, parameters, owner: owner))
    }

    /// Whether a mixture may stand in place of a convolution.
    ///
    /// Channel experts take the stem of no network, and the shortcuts of residual ones only under the ImageNet stem
    /// (advmoe, "MoE nets").
    private func isCandidate(_ role: Role, _ mixture: MixtureSettings) -> Bool {
        switch mixture.kind {
        case .conv: role != .shortcut || mixture.includesDownsample
        case .channel: role == .body || role == .shortcut && settings.stem == .imagenet
        case .block: false
        }
    }

    /// Slabs of channels, drawn He-normal over the fan-out of all of them together, as in the reference.
    private func slabs(
        _ path: String, _ shape: Shape, _ mixture: MixtureSettings
    ) throws -> NormalizedConvolution.Operation {
        let experts = mixture.router.experts
        let weight = parameters.register(
            "\(path).weight",
            .slabs(count: experts, kernel: shape.kernel, inputs: shape.inputs, outputs: shape.outputs),
            .heNormal(fan: shape.kernel * shape.kernel * experts * shape.outputs))
        let slabs = (0..<experts).map { expert in
            Convolution(
                path, inputs: shape.inputs, outputs: shape.outputs, kernel: shape.kernel, stride: shape.stride,
                weight: weight.slab(expert))
        }
        guard mixture.scope == .layer else { return .plain(SlabConvolution(slabs: slabs)) }
        mixtureLayers.append(path)
        let router = try router(path, inputs: shape.inputs, map: shape.map, mixture.router)
        return .experts(ExpertConvolution(router: router, experts: slabs))
    }

    /// The router of the whole network, on the image, if its layers have none.
    func imageRouter() throws -> Router? {
        guard let mixture = settings.mixture, mixture.kind == .channel, mixture.scope == .image else { return nil }
        mixtureLayers.append("router")
        return try router("router", inputs: settings.channels, map: settings.imageSize, mixture.router)
    }

    private func router(
        _ path: String, inputs: Int, map: MapSize?, _ router: RouterSettings
    ) throws -> Router {
        let smallest = router.kind.smallestMap
        if let map, min(map.height, map.width) < smallest {
            throw NetworkError.invalid(
                "moe.router of \(path) needs maps of \(smallest)x\(smallest) pixels at least, those there have "
                    + "\(map.height)x\(map.width); expected a smaller moe.router_kernel, another moe.router or "
                    + "another moe.placement")
        }
        if router.kind == .firstChannels, inputs < router.experts {
            throw NetworkError.invalid(
                "moe.router first-channels of \(path) needs a channel for each of \(router.experts) experts, its map "
                    + "has \(inputs); expected at most \(inputs) for moe.experts")
        }
        return Router(path, inputs: inputs, router, parameters)
    }
}
