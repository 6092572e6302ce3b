/// How the first weights of a network are drawn: which initializer each of its layers gets.
///
/// Batch norms begin with weight 1 and bias 0, and routers as PyTorch draws convolutions and linear layers by itself,
/// whatever is chosen.
public enum Initialization: String, CaseIterable, Sendable {
    /// As torchvision and PyTorch draw the architecture: convolutions He-normal over their fan-out, linear layers as the
    /// architecture's page says, PyTorch's default for most. Experts are drawn as the papers of their kinds do: conv and block
    /// experts He-normal over their fan-in, the linear layers of a network with channel experts as ``advmoe`` does.
    case pytorch
    /// As the released code of AdvMoE (arXiv:2308.10110) draws every backbone, with experts or without: convolutions He-normal
    /// over their fan-out (over all slabs together), linear layers N(0, 0.01²) with bias 0.
    case advmoe
    /// As the published code of "Robust Experts" does: ``pytorch``, but for a first convolution that replaces torchvision's
    /// own (small images, or other than three channels), which keeps PyTorch's default, U(±1/√fan_in).
    case robustSparseMoEs = "robust-sparse-moes"

    /// A convolution of the backbone that is no first one, or of an expert.
    /// - Parameters:
    ///   - inputs: The input channels; `outputs`: the output channels, of all slabs together.
    ///   - taps: Rows times columns of the filter.
    func convolution(inputs: Int, outputs: Int, taps: Int, isOfExpert: Bool) -> Initializer {
        .heNormal(fan: taps * (isOfExpert && self != .advmoe ? inputs : outputs))
    }

    /// The first convolution.
    func stem(inputs: Int, outputs: Int, taps: Int, _ stem: NetworkSettings.Stem) -> Initializer {
        let replacesOwn = stem == .cifar || inputs != 3
        if self == .robustSparseMoEs, replacesOwn { return .pyTorchDefault(fanIn: taps * inputs) }
        return convolution(inputs: inputs, outputs: outputs, taps: taps, isOfExpert: false)
    }

    /// Weight and bias of a linear layer, from those of the architecture.
    func linear(
        weight: Initializer, bias: Initializer, _ kind: ExpertKind?
    ) -> (weight: Initializer, bias: Initializer) {
        self == .advmoe || kind == .channel ? (.normal(deviation: 0.01), .constant(0)) : (weight, bias)
    }
}
