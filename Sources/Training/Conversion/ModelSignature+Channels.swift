import Foundation

extension ModelSignature {
    /// The width of a network's first stage and the factor of its widths that make these channels; nil if there are none.
    ///
    /// A network that was made narrower by a ratio is taken for one whose first stage is 64 channels wide where its own do
    /// not double from stage to stage, and where the stem does not tell.
    ///
    /// - Parameters:
    ///   - stem: Channels behind the stem.
    ///   - stages: Channels of each stage, where bottlenecks put out four times as many.
    ///   - keepsStem: Whether the stem has the whole width.
    static func scaling(stem: Int, stages: [Int], keepsStem: Bool) -> (width: Int, ratio: Double)? {
        if !keepsStem, stages.indices.allSatisfy({ stages[$0] == stem << $0 }) { return (stem, 1) }
        let width = keepsStem ? stem : 64
        var pairs = stages.indices.map { (whole: width << $0, found: stages[$0]) }
        if !keepsStem { pairs.append((width, stem)) }
        let least = pairs.map { Double($0.found) / Double($0.whole) }.max() ?? 1
        // The shortest decimal number of all that give these channels.
        for digits in 0...6 {
            let scale = pow(10, Double(digits))
            let first = Int((least * scale).rounded(.up))
            for numerator in first...first + 1 {
                let ratio = Double(numerator) / scale
                if ratio > 0, ratio <= 1, pairs.allSatisfy({ Int(ratio * Double($0.whole)) == $0.found }) {
                    return (width, ratio)
                }
            }
        }
        return nil
    }

    /// The mixture of a network of channel experts: convolutions with several times the channels that their batch norm has.
    static func channelMixture(_ shapes: [String: [Int]]) -> Mixture? {
        var layers: [String: Int] = [:]
        for (name, shape) in shapes where shape.count == 4 && name.hasSuffix(".weight") && !name.hasPrefix("router.") {
            let path = String(name.dropLast(".weight".count))
            guard let norm = norm(behind: path), let channels = shapes["\(norm).weight"]?.first, channels > 0,
                shape[0] > channels
            else { continue }
            layers[path] = shape[0] / channels
        }
        guard let first = layers.keys.min(), let experts = layers.values.max() else { return nil }
        var mixture = Mixture(
            kind: .channel, layers: layers.keys.sorted(), experts: experts, router: .resnet20, scope: .image)
        if shapes.keys.contains(where: { $0.hasPrefix("\(first).router.") }) {
            (mixture.router, mixture.routerKernel) = router(ofLayer: first, shapes)
            mixture.scope = .layer
        }
        return mixture
    }

    /// The batch norm behind a convolution: bn2 of conv2, 1 of 0.
    private static func norm(behind path: String) -> String? {
        var components = path.split(separator: ".").map(String.init)
        guard let last = components.popLast() else { return nil }
        if last == "0" { return (components + ["1"]).joined(separator: ".") }
        guard last.hasPrefix("conv") else { return nil }
        return (components + ["bn" + last.dropFirst(4)]).joined(separator: ".")
    }
}
