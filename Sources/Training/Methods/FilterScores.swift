import Files
import Foundation
import Networks
import Weights

/// Scores by which filters are pruned, and which are learned in place of weights (HYDRA, Sehwag et al., arXiv:2002.10509;
/// whole filters as in AdvMoE's baseline, arXiv:2308.10110).
///
/// Of each convolution the filters with the least Σ|s| are masked, weights w stand still, and a gradient passes to the scores s
/// as if the mask m were |s|: ds = d(w·m)·w·sign(s), for masked filters too. Of all other parameters only those of batch norms
/// move. A function of the global gradient, so the same on every rank.
///
/// The network is what is left once masked filters are gone: the mask is on what their batch norms give, whose weights and
/// biases stand still meanwhile. So that gradients still find the way back to a masked filter, and its running statistics are
/// there when it comes back, its batch norms are not 0 but scaled by 2⁻⁴⁰: what passes on is lost in the rounding of any sum,
/// while signs, and gradients but for that factor, are whole. Filters that meet no batch norm of their own have weights of 0.
package final class FilterScores {
    private let network: Network
    private let layers: [PrunableConvolution]
    private let norms: [Slot]
    private let trained: Set<String>
    /// The layers, by path, whose channels meet batch norms of their own before they are added to others.
    private let normalized: Set<String>
    private let dropped: (Int) -> Int
    /// Without masks, laid out like the parameters, and used where convolutions and batch norms are.
    private var weights: [Float]
    /// Laid out like the parameters, and used where convolutions are.
    private var scores: [Float]
    /// The places of batch norms' parameters whose channels are masked.
    private var maskedNorms: Set<Int> = []
    /// Of each layer, whether its filters are masked.
    private var masked: [[Bool]] = []

    /// What is left of a masked batch norm; a power of two, so that nothing is rounded by it.
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
        normalized = Set(
            layers.lazy.filter { layer in
                let narrower = network.selections(keeping: [layer.path: Array(0..<max(1, layer.filters - 1))])
                return norms.contains { narrower[$0.name] != nil }
            }.map(\.path))
        weights = Array(parameters.values)
        scores = weights
        for layer in layers {
            let range = layer.weight.range
            let fanIn = Float(range.count / layer.filters)
            let largest = weights[range].reduce(0) { max($0, abs($1)) }
            let scale = (6 / fanIn).squareRoot() / max(largest, .leastNormalMagnitude)
            for index in range { scores[index] = scale * weights[index] }
        }
        mask()
    }

    /// Whether scores, or what moves beside them, stand in the place of a slot.
    package func trains(_ slot: Slot) -> Bool { trained.contains(slot.name) }

    /// Turns the gradient of the network's weights into that of the scores; what does not move gets zeros.
    package func carryBack(_ gradient: UnsafeMutableBufferPointer<Float>) {
        for slot in network.parameters.slots where !slot.isStatistic && !trains(slot) {
            UnsafeMutableBufferPointer(rebasing: gradient[slot.range]).update(repeating: 0)
        }
        for index in maskedNorms { gradient[index] = 0 }
        for (layer, masked) in zip(layers, masked) {
            let factor = normalized.contains(layer.path) ? 1 / Self.shadow : 1
            for (place, index) in layer.weight.range.enumerated() {
                let sign: Float = scores[index] > 0 ? 1 : scores[index] < 0 ? -1 : 0
                gradient[index] *= weights[index] * sign * (masked[place % layer.filters] ? factor : 1)
            }
        }
    }

    /// Lets `update` move the scores, which stand where the weights do meanwhile, and masks the network anew.
    package func update(_ update: () -> Void) {
        let parameters = network.parameters
        parameters.update([.backbone]) {
            for layer in layers { for index in layer.weight.range { $0.values[index] = scores[index] } }
            // What stands still decays nothing.
            for index in maskedNorms { $0.values[index] = 0 }
        }
        update()
        let values = parameters.values
        for layer in layers { for index in layer.weight.range { scores[index] = values[index] } }
        for norm in norms {
            for index in norm.range where !maskedNorms.contains(index) { weights[index] = values[index] }
        }
        mask()
    }

    /// Calls `body` while masked filters and their batch norms are 0, as files of a pruned network have them.
    package func withoutMasked<Result>(_ body: () throws -> Result) rethrows -> Result {
        place(shadow: 0)
        defer { place(shadow: Self.shadow) }
        return try body()
    }

    /// The filters that a convolution keeps; of equal ones the later stay.
    package func kept(_ layer: PrunableConvolution) -> [Int] {
        var norms = [Double](repeating: 0, count: layer.filters)
        // The filter is the innermost index.
        for (place, index) in layer.weight.range.enumerated() {
            norms[place % layer.filters] += Double(abs(scores[index]))
        }
        let order = norms.indices.sorted { (norms[$0], $0) < (norms[$1], $1) }
        return order.dropFirst(dropped(layer.filters)).sorted()
    }

    /// Masks the filters that the scores do not keep.
    private func mask() {
        let kept = Dictionary(uniqueKeysWithValues: layers.map { ($0.path, self.kept($0)) })
        masked = layers.map { layer in
            let kept = Set(kept[layer.path] ?? [])
            return (0..<layer.filters).map { !kept.contains($0) }
        }
        let selections = network.selections(keeping: kept)
        maskedNorms = Set(
            norms.flatMap { norm in
                let left = selections[norm.name]?.outputs.map(Set.init)
                return norm.range.filter { left?.contains($0 - norm.offset) == false }
            })
        place(shadow: Self.shadow)
    }

    /// Fills the network, what is masked of its batch norms scaled by `shadow`; where that is 0, no filter of theirs is left.
    private func place(shadow: Float) {
        network.parameters.update([.backbone]) {
            for (layer, masked) in zip(layers, masked) {
                let left: Float = shadow > 0 && normalized.contains(layer.path) ? 1 : 0
                for (place, index) in layer.weight.range.enumerated() {
                    $0.values[index] = weights[index] * (masked[place % layer.filters] ? left : 1)
                }
            }
            for norm in norms {
                for index in norm.range {
                    $0.values[index] = weights[index] * (maskedNorms.contains(index) ? shadow : 1)
                }
            }
        }
    }

    /// What checkpoints hold: the name of each tensor, the slot that it stands beside, and where its values are.
    private var parts: [(name: String, slot: Slot, values: ReferenceWritableKeyPath<FilterScores, [Float]>)] {
        layers.map { ("\($0.weight.name).scores", $0.weight, \.scores) }
            + (layers.map(\.weight) + norms).map { ("\($0.name).unmasked", $0, \.weights) }
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
