import Files
import Networks

/// How much of the channels that an image runs through a mask keeps too: intersection over union of (layer, channel) pairs
/// (AdvMoE, arXiv:2308.10110, section 5).
///
/// Channel j of expert e is channel s + j of the layer that the mask was found for, s being where the expert's channels begin
/// (``ChannelExpertLayer/starts``).
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

    /// Compares the layers that are both in the mask and mixtures.
    /// - Throws: ``RunError/unusable(_:)`` if there are none, or if one has another number of channels than its mask.
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
        keptInAll = network.channelExpertLayers.reduce(0) { $0 + (masks[$1.path]?.count { $0 } ?? 0) }
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
