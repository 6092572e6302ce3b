import Files
import Networks

/// How much of the channels that an image runs through a mask keeps too: intersection over union of (layer, channel) pairs
/// (AdvMoE, arXiv:2308.10110, section 5).
///
/// Channel j of expert e is channel s + j of the layer that the mask was found for, s being where the expert's channels begin
/// (``Networks/ChannelExpertLayer/starts``).
package struct MaskOverlap {
    private struct Layer {
        /// The place of the layer's router among the mixture layers.
        let router: Int
        /// Channels of one expert.
        let channels: Int
        /// For each expert, its channels that the mask keeps.
        let kept: [Int]
    }
    private let layers: [Layer]
    private let keptInAll: Int
    /// The mean overlap of pathways whose experts are chosen evenly at random, independently in every mixture layer.
    package let chance: Double

    /// Compares the layers that are both in the mask and mixtures.
    /// - Throws: ``Files/RunError/unusable(_:)`` if there are none, or if one has another number of channels than its mask.
    package init(_ masks: [String: [Bool]], _ network: Network, path: String) throws {
        var layers: [Layer] = []
        for slab in network.channelExpertLayers {
            guard let mask = masks[slab.path], let router = network.mixtureLayers.firstIndex(of: slab.router) else {
                continue
            }
            guard mask.count == slab.wholeChannels else {
                throw RunError.unusable(
                    "evaluation.masks: the mask of \(slab.path) in \(path) has \(mask.count) channels, this network's "
                        + "\(slab.starts.count) experts of \(slab.channels) have \(slab.wholeChannels); expected the same"
                )
            }
            let kept = slab.starts.map { start in mask[start..<start + slab.channels].count { $0 } }
            layers.append(Layer(router: router, channels: slab.channels, kept: kept))
        }
        guard !layers.isEmpty else {
            throw RunError.unusable(
                "evaluation.masks: \(path) has masks of \(masks.keys.sorted().joined(separator: ", ")); expected some "
                    + "of this network's layers of channel experts: "
                    + network.channelExpertLayers.map(\.path).joined(separator: ", "))
        }
        self.layers = layers
        let keptInAll = network.channelExpertLayers.reduce(0) { $0 + (masks[$1.path]?.count { $0 } ?? 0) }
        self.keptInAll = keptInAll
        let topK = network.settings.mixture?.router.gate.topK ?? 1
        chance = Self.chance(layers, keptInAll: keptInAll, topK: topK)
    }

    /// Every choice active has the same channels, so that the overlap hangs on the kept ones alone, whose distribution is
    /// built up router by router.
    private static func chance(_ layers: [Layer], keptInAll: Int, topK: Int) -> Double {
        var probabilities = [0: 1.0]
        for (_, own) in Dictionary(grouping: layers, by: \.router).sorted(by: { $0.key < $1.key }) {
            let kept = own[0].kept.indices.map { expert in own.reduce(0) { $0 + $1.kept[expert] } }
            let sums = sums(of: topK, among: kept[...])
            var next: [Int: Double] = [:]
            for (before, probability) in probabilities {
                for sum in sums { next[before + sum, default: 0] += probability / Double(sums.count) }
            }
            probabilities = next
        }
        let active = layers.reduce(0) { $0 + $1.channels * topK }
        return probabilities.sorted { $0.key < $1.key }.reduce(0) { mean, shared in
            mean + shared.value * Double(shared.key) / Double(max(1, active + keptInAll - shared.key))
        }
    }

    /// The sums of every choice of so many values.
    private static func sums(of count: Int, among values: ArraySlice<Int>) -> [Int] {
        if count == 0 { return [0] }
        guard let first = values.first else { return [] }
        let rest = values.dropFirst()
        return sums(of: count - 1, among: rest).map { $0 + first } + sums(of: count, among: rest)
    }

    /// The overlap, in [0, 1], for the experts that an image chose in each mixture layer.
    package func value(_ chosen: [[Int]]) -> Double {
        var (shared, active) = (0, 0)
        for layer in layers {
            for expert in Set(chosen[layer.router]) {
                shared += layer.kept[expert]
                active += layer.channels
            }
        }
        return Double(shared) / Double(max(1, active + keptInAll - shared))
    }
}
