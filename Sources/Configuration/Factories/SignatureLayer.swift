import Weights

extension ModelSignature {
    /// The signature as settings.
    /// - Parameter normalizes: Whether the network sees normalized images, as ever, or images as they are.
    package func configurationLayer(origin: String, normalizes: Bool = true) -> ConfigurationLayer {
        var text =
            "model: {architecture: \(architecture.rawValue), stem: \(stem.rawValue), width: \(width), ratio: \(ratio)"
        if skipsFirstActivation { text += ", skip_first_activation: true" }
        if !normalizes { text += ", normalize: none" }
        text += "}\nmoe: {kind: \(mixture?.kind.rawValue ?? "none")"
        if let mixture {
            text += ", placement: [\(mixture.layers.joined(separator: ", "))], experts: \(mixture.experts)"
            text += ", router: \(mixture.router.rawValue), scope: \(mixture.scope.rawValue)"
            if let kernel = mixture.routerKernel { text += ", router_kernel: \(kernel)" }
        }
        return ConfigurationLayer(yaml: text + "}", origin: origin)
    }
}
