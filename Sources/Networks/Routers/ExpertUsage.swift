import Tensors

/// The use of one mixture layer's experts, over a window of training or over a split.
public struct ExpertUsage: Codable, Equatable, Sendable {
    /// The path of the mixture layer.
    public let layer: String
    /// Sums over the images; of no images' scores where the router was bypassed.
    public var sums: RouterSums

    /// Makes the use of a layer.
    public init(layer: String, sums: RouterSums) {
        self.layer = layer
        self.sums = sums
    }

    /// Adds up the use of the same layers over several batches.
    public static func add(_ more: [ExpertUsage], to layers: inout [ExpertUsage]) {
        if layers.isEmpty {
            layers = more.map { ExpertUsage(layer: $0.layer, sums: RouterSums(experts: $0.sums.chosen.count)) }
        }
        for index in layers.indices { layers[index].sums.add(more[index].sums) }
    }

    /// (Image, chosen expert) pairs.
    public var choices: Double { sums.chosen.reduce(0, +) }

    /// Whether the router decided.
    public var isRouted: Bool { sums.images > 0 }

    /// The share of the choices that an expert got; nil without any.
    public func fraction(_ expert: Int) -> Double? { choices > 0 ? sums.chosen[expert] / choices : nil }

    /// The entropy of the experts' shares, in nats; nil without choices.
    public var usageEntropy: Double? {
        let total = choices
        guard total > 0 else { return nil }
        return entropyOf(sums.chosen.lazy.map { $0 / total })
    }

    /// The mean entropy of the router's probabilities for an image, in nats; nil where it was bypassed.
    public var routerEntropy: Double? { isRouted ? sums.entropy / sums.images : nil }

    /// The largest count over the mean count; nil without choices.
    public var maxOverMean: Double? {
        choices > 0 ? (sums.chosen.max() ?? 0) * Double(sums.chosen.count) / choices : nil
    }

    /// What is wrong with the use of experts by so many images; nil where routers were bypassed, which is no collapse.
    public func alarm(samples: Int) -> RoutingAlarm? {
        guard isRouted else { return nil }
        return RoutingAlarm(chosen: sums.chosen, choices: choices / Double(max(1, samples)))
    }
}
