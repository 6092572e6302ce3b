import Files
import Foundation
import Networks
import Weights

/// Scores by which filters are pruned, and which are learned in place of weights (HYDRA, Sehwag et al., arXiv:2002.10509;
/// whole filters as in AdvMoE's baseline, arXiv:2308.10110).
///
/// Of each convolution the filters with the least Σ|s| are masked, weights stand still, and a gradient of the masked weight
/// w·m passes to its score as if the mask were |s|: ds = d(w·m)·w·sign(s), for masked filters too. Of all other parameters
/// only those of batch norms move. A function of the global gradient, so the same on every rank.
package final class FilterScores {
    private let layers: [PrunableConvolution]
    private let trained: Set<String>
    private let dropped: (Int) -> Int
    /// Laid out like the parameters, and used where convolutions are.
    private var weights: [Float]
    private var scores: [Float]

    /// Begins from the network's weights, s = √(6 / fan_in)·w / max|w|, and masks them.
    /// - Parameter share: Filters of each convolution that are kept, above 0 and at most 1; int((1 − share)·filters) go.
    package init(_ network: Network, share: Double) {
        let parameters = network.parameters
        layers = network.prunable
        dropped = { Int((1 - share) * Double($0)) }
        let statistics = Set(parameters.slots.lazy.filter(\.isStatistic).map(\.name))
        func isOfNorm(_ name: String) -> Bool {
            statistics.contains(name.split(separator: ".").dropLast().joined(separator: ".") + ".running_mean")
        }
        trained = Set(layers.map(\.weight.name) + parameters.slots.map(\.name).filter(isOfNorm))
        weights = Array(parameters.values)
        scores = weights
        for layer in layers {
            let range = layer.weight.range
            let fanIn = Float(range.count / layer.filters)
            let largest = weights[range].reduce(0) { max($0, abs($1)) }
            let scale = (6 / fanIn).squareRoot() / max(largest, .leastNormalMagnitude)
            for index in range { scores[index] = scale * weights[index] }
        }
        place(in: parameters)
    }

    /// Whether scores, or what moves beside them, stand in the place of a slot.
    package func trains(_ slot: Slot) -> Bool { trained.contains(slot.name) }

    /// Turns the gradient of the masked weights into that of the scores; what does not move gets zeros.
    package func carryBack(_ gradient: UnsafeMutableBufferPointer<Float>, _ parameters: Parameters) {
        for slot in parameters.slots where !slot.isStatistic && !trains(slot) {
            UnsafeMutableBufferPointer(rebasing: gradient[slot.range]).update(repeating: 0)
        }
        for layer in layers {
            for index in layer.weight.range {
                let sign: Float = scores[index] > 0 ? 1 : scores[index] < 0 ? -1 : 0
                gradient[index] *= weights[index] * sign
            }
        }
    }

    /// Lets `update` move the scores, which stand where the weights do meanwhile, and masks the weights anew.
    package func update(_ parameters: Parameters, _ update: () -> Void) {
        parameters.update([.backbone]) {
            for layer in layers { for index in layer.weight.range { $0.values[index] = scores[index] } }
        }
        update()
        let values = parameters.values
        for layer in layers { for index in layer.weight.range { scores[index] = values[index] } }
        place(in: parameters)
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

    private func place(in parameters: Parameters) {
        parameters.update([.backbone]) {
            for layer in layers {
                var mask = [Float](repeating: 0, count: layer.filters)
                for filter in kept(layer) { mask[filter] = 1 }
                for (place, index) in layer.weight.range.enumerated() {
                    $0.values[index] = weights[index] * mask[place % layer.filters]
                }
            }
        }
    }

    private static let parts = ["scores", "unmasked"]

    /// Scores, weights without their mask, and masks, as checkpoints hold them.
    package var tensors: [NamedTensor] {
        layers.flatMap { layer in
            zip(Self.parts, [scores, weights]).map { part, values in
                values[layer.weight.range].withUnsafeBufferPointer {
                    ModelTensors.tensor(layer.weight, name: "\(layer.weight.name).\(part)", $0, nil)
                }
            } + [PruningMasks.tensor(layer, kept: kept(layer))]
        }
    }

    /// Takes up the scores and weights of a checkpoint.
    package func restore(_ tensors: [String: NamedTensor], _ parameters: Parameters, from path: String) throws {
        let expected = layers.flatMap { layer in
            Self.parts.map { ("\(layer.weight.name).\($0)", layer.weight.layout.shape) }
        }
        let names = Set(expected.map(\.0))
        try ModelTensors.check(tensors.filter { names.contains($0.key) }, expected, path)
        for layer in layers {
            func fill(_ values: inout [Float], _ part: String) {
                values[layer.weight.range].withUnsafeMutableBufferPointer {
                    ModelTensors.fill(layer.weight, $0, tensors["\(layer.weight.name).\(part)"], nil)
                }
            }
            fill(&scores, Self.parts[0])
            fill(&weights, Self.parts[1])
        }
        place(in: parameters)
    }
}
