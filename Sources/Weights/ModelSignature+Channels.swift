import Foundation

extension ModelSignature {
    /// Channels that were found somewhere, and how many there would be in a network that is `width` channels wide:
    /// width·factor / divisor.
    package struct WidthPart {
        var found: Int
        var factor = 1
        var divisor = 1
    }

    /// The width of a network and the factor of its widths that make these channels; nil if there are none.
    ///
    /// A network that was made narrower by a ratio is taken for one of the given width where its own channels do not go
    /// together, or do not tell.
    ///
    /// - Parameters:
    ///   - width: The width that a ratio multiplies.
    ///   - mayBeOwn: Whether it may as well be another width, multiplied by nothing.
    package static func scaling(_ parts: [WidthPart], width: Int, mayBeOwn: Bool = true) -> (width: Int, ratio: Double)?
    {
        if mayBeOwn, let own = parts.first(where: { $0.factor == 1 && $0.divisor == 1 })?.found,
            parts.allSatisfy({ $0.found * $0.divisor == own * $0.factor })
        {
            return (own, 1)
        }
        let pairs = parts.map { (whole: width * $0.factor / $0.divisor, found: $0.found) }
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
    package static func channelMixture(_ shapes: [String: [Int]]) -> Mixture? {
        var layers: [String: Int] = [:]
        for (name, shape) in shapes where shape.count == 4 && name.hasSuffix(".weight") && !name.hasPrefix("router.") {
            let path = String(name.dropLast(".weight".count))
            guard let norm = norm(behind: path), let channels = shapes["\(norm).weight"]?.first, channels > 0,
                shape[0] > channels
            else { continue }
            layers[path] = shape[0] / channels
        }
        return channelMixture(layers, shapes)
    }

    /// The mixture of layers with so many experts.
    package static func channelMixture(_ layers: [String: Int], _ shapes: [String: [Int]]) -> Mixture? {
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
