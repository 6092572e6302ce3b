import Networks

/// What RobustBench's classes for small images call tensors: ResNets and pre-activation ResNets have a `linear` layer and
/// `shortcut`s, the batch norm behind the last pre-activation block is `bn`, wide ResNets have this program's names.
enum RobustBenchNames {
    /// The wide ResNet's class may have a second first stage, which no image passes.
    static let unused = "sub_block1."

    private static let normalization = ["normalize.mean": "mu", "normalize.std": "sigma"]

    /// Why a network has no class there that computes it, or nil.
    static func refusal(_ signature: ModelSignature) -> String? {
        let known: Bool =
            switch signature.architecture.layers {
            case .resNet(.basic), .resNet(.bottleneck(widening: 1)), .preactivationResNet, .wideResNet: true
            default: false
            }
        if !known { return "layout robustbench has no \(signature.architecture.rawValue)" }
        if signature.stem != .cifar { return "layout robustbench has networks for small images alone" }
        return nil
    }

    /// Their names of tensors with the program's own.
    static func foreign(_ own: some Sequence<String>) -> [String: String] {
        let names = Set(own)
        let isWide = names.contains { $0.hasPrefix("block1.") }
        // A shortcut of a pre-activation block has no batch norm.
        let isPreactivation = !isWide && !names.contains("layer2.0.downsample.1.weight")
        return Dictionary(
            names.map { name in
                if let other = normalization[name] { return (name, other) }
                if isWide { return (name, name) }
                if name.hasPrefix("fc.") { return (name, "linear" + name.dropFirst(2)) }
                if isPreactivation, name.hasPrefix("bn1.") { return (name, "bn" + name.dropFirst(3)) }
                return (name, name.replacing(".downsample.", with: ".shortcut."))
            }, uniquingKeysWith: { first, _ in first })
    }

    /// The program's own names of tensors with theirs.
    static func own(_ foreign: some Sequence<String>) -> [String: String] {
        Dictionary(
            foreign.map { name in
                if let own = normalization.first(where: { $0.value == name }) { return (name, own.key) }
                if name.hasPrefix("linear.") { return (name, "fc" + name.dropFirst(6)) }
                if name.hasPrefix("bn.") { return (name, "bn1" + name.dropFirst(2)) }
                return (name, name.replacing(".shortcut.", with: ".downsample."))
            }, uniquingKeysWith: { first, _ in first })
    }
}
