/// Registers a residual network's slots in torchvision's order and decides which layers become mixtures.
final class ResNetBuilder {
    private let settings: ResNetSettings
    private let parameters: Parameters
    /// Paths that a placement may name.
    private(set) var candidates: [String] = []
    private(set) var mixtureLayers: [String] = []

    init(_ settings: ResNetSettings, _ parameters: Parameters) {
        self.settings = settings
        self.parameters = parameters
    }

    /// A block or, where the placement says so, a mixture of blocks.
    func element(_ path: String, inputs: Int, outputs: Int, stride: Int) -> ResNet.Element {
        if let mixture = settings.mixture, mixture.kind == .block {
            candidates.append(path)
            if mixture.placement.covers(path) {
                mixtureLayers.append(path)
                let router = Router(path, inputs: inputs, mixture.router, parameters)
                let experts = (0..<mixture.router.experts).map { expert in
                    block(
                        "\(path).experts.\(expert)", inputs: inputs, outputs: outputs, stride: stride,
                        owner: ExpertOwner(layer: path, expert: expert))
                }
                return .experts(ExpertBlock(router: router, experts: experts))
            }
        }
        return .block(block(path, inputs: inputs, outputs: outputs, stride: stride, owner: nil))
    }

    private func block(
        _ path: String, inputs: Int, outputs: Int, stride: Int, owner: ExpertOwner?
    ) -> ResidualBlock {
        let first = unit(
            "\(path).conv1", norm: "\(path).bn1", inputs: inputs, outputs: outputs, kernel: 3, stride: stride,
            owner: owner)
        let second = unit(
            "\(path).conv2", norm: "\(path).bn2", inputs: outputs, outputs: outputs, kernel: 3, stride: 1, owner: owner)
        let needsShortcut = stride != 1 || inputs != outputs
        let shortcut =
            needsShortcut
            ? unit(
                "\(path).downsample.0", norm: "\(path).downsample.1", inputs: inputs, outputs: outputs, kernel: 1,
                stride: stride, owner: owner) : nil
        return ResidualBlock(first: first, second: second, downsample: shortcut)
    }

    /// A convolution, or a mixture of convolutions, and its batch norm.
    func unit(
        _ path: String, norm: String, inputs: Int, outputs: Int, kernel: Int, stride: Int, owner: ExpertOwner? = nil
    ) -> NormalizedConvolution {
        func convolution(_ path: String, _ initializer: Initializer, _ owner: ExpertOwner?) -> Convolution {
            Convolution(
                path, inputs: inputs, outputs: outputs, kernel: kernel, stride: stride, parameters, initializer,
                owner: owner)
        }
        let taps = kernel * kernel
        var operation: NormalizedConvolution.Operation?
        if let mixture = settings.mixture, mixture.kind == .conv {
            let isShortcut = kernel == 1
            if !isShortcut || mixture.includesDownsample { candidates.append(path) }
            if mixture.placement.covers(path), !isShortcut || mixture.includesDownsample {
                mixtureLayers.append(path)
                let router = Router(path, inputs: inputs, mixture.router, parameters)
                // Experts are drawn He-normal over their fan-in, the backbone over its fan-out, as in the reference.
                let experts = (0..<mixture.router.experts).map { expert in
                    convolution(
                        "\(path).experts.\(expert)", .heNormal(fan: taps * inputs),
                        ExpertOwner(layer: path, expert: expert))
                }
                operation = .experts(ExpertConvolution(router: router, experts: experts))
            }
        }
        let fan = owner == nil ? taps * outputs : taps * inputs
        let chosen = operation ?? .plain(convolution(path, .heNormal(fan: fan), owner))
        return NormalizedConvolution(
            path: path, operation: chosen,
            norm: BatchNorm(norm, channels: outputs, parameters, owner: owner))
    }
}
