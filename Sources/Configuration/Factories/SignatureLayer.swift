import Weights

extension ModelSignature {
    /// The signature as settings: what names and shapes tell, and nothing else.
    package func configurationLayer(origin: String) -> ConfigurationLayer {
        var text =
            "model: {architecture: \(architecture.rawValue), stem: \(stem.rawValue), width: \(width), ratio: \(ratio)"
        if skipsFirstActivation { text += ", skip_first_activation: true" }
        text += "}\nmoe: {kind: \(mixture?.kind.rawValue ?? "none")"
        if let mixture {
            text += ", placement: [\(mixture.layers.joined(separator: ", "))], experts: \(mixture.experts)"
            text += ", router: \(mixture.router.rawValue), scope: \(mixture.scope.rawValue)"
            if let kernel = mixture.routerKernel { text += ", router_kernel: \(kernel)" }
        }
        return ConfigurationLayer(yaml: text + "}", origin: origin, giver: .program)
    }
}
