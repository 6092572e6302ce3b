import Files
import Foundation
import Networks
import Weights

/// Scores by which filters are pruned, and which are learned in place of weights (HYDRA, Sehwag et al., arXiv:2002.10509;
/// whole filters as in AdvMoE's baseline, arXiv:2308.10110).
///
/// Of each convolution the filters with the least Σ|s| are masked, weights w stand still, and the gradient of a filter's mask m
/// passes to its n scores as if the mask were their mean magnitude: ds = dm·sign(s)/n, for masked filters too. Of all other
/// parameters only those of batch norms move. A function of the global gradient, so the same on every rank.
///
/// The network is what is left once masked filters are gone: a mask multiplies what comes of its filter behind the batch norm,
/// that is, the norm's weight and bias, and the filter itself only where none follows before it is added to others. (A mask in
/// front of a batch norm would leave a constant behind it, and of a filter that is kept it would have no gradient, since its
/// scale is normalized away.) Weight and bias of a masked channel stand still, and come back with the filter.
///
/// So that gradients of masks are there, what is masked is not 0 but scaled by 2⁻⁴⁰: what it passes on is lost in the rounding
/// of any sum, while the signs that ReLU looks at are whole.
package final class FilterScores {
    private let network: Network
    private let layers: [PrunableConvolution]
    private let norms: [Slot]
    private let trained: Set<String>
    private let dropped: (Int) -> Int
    /// Of each layer and filter, the places in the parameter arena that its mask multiplies.
    private let places: [[[Int]]]
    /// What changes.
    struct Contents {
        /// Without masks, laid out like the parameters, and used where convolutions and batch norms are.
        fileprivate var weights: [Float]
        /// Laid out like the parameters, and used where convolutions are.
        fileprivate var scores: [Float]
        /// Of each layer, whether its filters are masked.
        fileprivate var masked: [[Bool]] = []
    }

    /// Scores, weights and masks as they are.
    var contents: Contents

    /// What is left of what is masked; a power of two, by which nothing is rounded.
    private static let shadow: Float = 0x1p-40

    /// Begins from the network's weights, s = √(6 / fan_in)·w / max|w|, and masks them.
    /// - Parameter share: Filters of each convolution that are kept, above 0 and at most 1; int((1 − share)·filters) go.
    package init(_ network: Network, share: Double) {
        self.network = network
        let parameters = network.parameters
        layers = network.prunable
        dropped = { Int((1 - share) * Double($0)) }
        let statistics = Set(parameters.slots.lazy.filter(\.isStatistic).map(\.name))
        let norms = parameters.slots.filter { slot in
            let path = slot.name.split(separator: ".").dropLast().joined(separator: ".")
            return !slot.isStatistic && statistics.contains("\(path).running_mean")
        }
        self.norms = norms
        trained = Set((layers.map(\.weight) + norms).map(\.name))
        places = layers.map { Self.places($0, norms, network) }
        contents = Contents(weights: Array(parameters.values), scores: Array(parameters.values))
        for layer in layers {
            let range = layer.weight.range
            let fanIn = Float(range.count / layer.filters)
            let largest = contents.weights[range].reduce(0) { max($0, abs($1)) }
            let scale = (6 / fanIn).squareRoot() / max(largest, .leastNormalMagnitude)
            for index in range { contents.scores[index] = scale * contents.weights[index] }
        }
        mask()
    }

    /// Of each filter, the places that its mask multiplies: of all batch norms that meet it, or its own.
    private static func places(_ layer: PrunableConvolution, _ norms: [Slot], _ network: Network) -> [[Int]] {
        // Without its first filter, batch norms lose the channel that is the first one's.
        let others = network.selections(keeping: [layer.path: Array(min(1, layer.filters - 1)..<layer.filters)])
        let first = norms.compactMap { norm -> Int? in
            guard let left = others[norm.name]?.outputs else { return nil }
            return norm.range.first { !left.contains($0 - norm.offset) }
        }
        return (0..<layer.filters).map { filter in
            first.isEmpty ? Self.range(layer, filter) : first.map { $0 + filter }
        }
    }

    /// The places of a filter's weights; the filter is the innermost index.
    private static func range(_ layer: PrunableConvolution, _ filter: Int) -> [Int] {
        let range = layer.weight.range
        return Array(stride(from: range.lowerBound + filter, to: range.upperBound, by: layer.filters))
    }

    /// Whether scores, or what moves beside them, stand in the place of a slot.
    package func trains(_ slot: Slot) -> Bool { trained.contains(slot.name) }

    /// Turns the gradient of the network's parameters into that of the scores; what does not move gets zeros.
    package func carryBack(_ gradient: UnsafeMutableBufferPointer<Float>) {
        for slot in network.parameters.slots where !slot.isStatistic && !trains(slot) {
            UnsafeMutableBufferPointer(rebasing: gradient[slot.range]).update(repeating: 0)
        }
        for (number, layer) in layers.enumerated() {
            for filter in 0..<layer.filters {
                let places = places[number][filter]
                let ofMask = places.reduce(Float(0)) { $0 + gradient[$1] * contents.weights[$1] }
                if contents.masked[number][filter] { for place in places { gradient[place] = 0 } }
                let range = Self.range(layer, filter)
                for index in range {
                    let sign: Float = contents.scores[index] > 0 ? 1 : contents.scores[index] < 0 ? -1 : 0
                    gradient[index] = ofMask * sign / Float(range.count)
                }
            }
        }
    }

    /// Lets `update` move the scores, which stand where the weights do meanwhile, and masks the network anew.
    package func update(_ update: () -> Void) {
        let parameters = network.parameters
        parameters.update([.backbone]) {
            // What stands still decays nothing.
            for place in maskedPlaces { $0.values[place] = 0 }
            for layer in layers { for index in layer.weight.range { $0.values[index] = contents.scores[index] } }
        }
        update()
        let values = parameters.values
        for layer in layers { for index in layer.weight.range { contents.scores[index] = values[index] } }
        let still = Set(maskedPlaces)
        for norm in norms {
            for index in norm.range where !still.contains(index) { contents.weights[index] = values[index] }
        }
        mask()
    }

    private var maskedPlaces: [Int] {
        zip(places, contents.masked).flatMap { places, masked in zip(places, masked).flatMap { $1 ? $0 : [] } }
    }

    /// Calls `body` while masked filters and their batch norms are 0, as files of a pruned network have them.
    package func withoutMasked<Result>(_ body: () throws -> Result) rethrows -> Result {
        place(shadow: 0)
        network.parameters.update([.backbone]) {
            for (layer, masked) in zip(layers, contents.masked) {
                for filter in masked.indices where masked[filter] {
                    for index in Self.range(layer, filter) { $0.values[index] = 0 }
                }
            }
        }
        defer { place(shadow: Self.shadow) }
        return try body()
    }

    /// The filters that a convolution keeps; of equal ones the later stay.
    package func kept(_ layer: PrunableConvolution) -> [Int] {
        var norms = [Double](repeating: 0, count: layer.filters)
        // The filter is the innermost index.
        for (place, index) in layer.weight.range.enumerated() {
            norms[place % layer.filters] += Double(abs(contents.scores[index]))
        }
        let order = norms.indices.sorted { (norms[$0], $0) < (norms[$1], $1) }
        return order.dropFirst(dropped(layer.filters)).sorted()
    }

    /// Masks the filters that the scores do not keep.
    private func mask() {
        contents.masked = layers.map { layer in
            var masked = [Bool](repeating: true, count: layer.filters)
            for filter in kept(layer) { masked[filter] = false }
            return masked
        }
        place(shadow: Self.shadow)
    }

    /// Fills the network, what is masked scaled by `shadow`.
    private func place(shadow: Float) {
        network.parameters.update([.backbone]) {
            for slot in layers.map(\.weight) + norms {
                for index in slot.range { $0.values[index] = contents.weights[index] }
            }
            for place in maskedPlaces { $0.values[place] *= shadow }
        }
    }

    /// What checkpoints hold: the name of each tensor, the slot that it stands beside, and where its values are.
    private var parts: [(name: String, slot: Slot, values: ReferenceWritableKeyPath<FilterScores, [Float]>)] {
        layers.map { ("\($0.weight.name).scores", $0.weight, \.contents.scores) }
            + (layers.map(\.weight) + norms).map { ("\($0.name).unmasked", $0, \.contents.weights) }
    }

    /// Scores, weights without their masks, and masks, as checkpoints hold them.
    package var tensors: [NamedTensor] {
        parts.map { name, slot, values in
            self[keyPath: values][slot.range].withUnsafeBufferPointer { ModelTensors.tensor(slot, name: name, $0, nil) }
        } + layers.map { PruningMasks.tensor($0, kept: kept($0)) }
    }

    /// Takes up the scores and weights of a checkpoint.
    package func restore(_ tensors: [String: NamedTensor], from path: String) throws {
        let names = Set(parts.map(\.name))
        try ModelTensors.check(
            tensors.filter { names.contains($0.key) }, parts.map { ($0.name, $0.slot.layout.shape) }, path)
        for (name, slot, values) in parts {
            self[keyPath: values][slot.range].withUnsafeMutableBufferPointer {
                ModelTensors.fill(slot, $0, tensors[name], nil)
            }
        }
        mask()
    }
}
