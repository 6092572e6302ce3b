import Files
import Networks
import Weights

/// An exponential moving average of all weights and running statistics: a ← decay·a + (1 − decay)·w after every update.
///
/// A function of the weights alone, so it is the same on every rank. Counters are those of the weights themselves.
package final class WeightAverage {
    /// What an averaged tensor is called in `state.safetensors`: the weight's name and this.
    package static let suffix = "average"

    /// What changes.
    struct Contents {
        fileprivate var values: [Float]
        fileprivate var statistics: [Float]
    }

    private let decay: Float
    /// The averages as they are.
    var contents: Contents
    private let counters: [Slot]

    /// Begins with the weights as they are; `decay` is at least 0 and below 1.
    package init(decay: Double, _ parameters: Parameters) {
        self.decay = Float(decay)
        contents = Contents(values: Array(parameters.values), statistics: Array(parameters.statistics))
        counters = parameters.slots.filter { $0.layout == .counter }
    }

    /// Begins anew with the weights as they are.
    package func begin(_ parameters: Parameters) {
        contents = Contents(values: Array(parameters.values), statistics: Array(parameters.statistics))
    }

    /// Takes in the weights after an update.
    package func update(_ parameters: Parameters) {
        WeightAverage.approach(&contents.values, parameters.values, decay)
        WeightAverage.approach(&contents.statistics, parameters.statistics, decay)
        for slot in counters { contents.statistics[slot.offset] = parameters.statistics[slot.offset] }
    }

    private static func approach(_ average: inout [Float], _ now: UnsafeBufferPointer<Float>, _ decay: Float) {
        average.withUnsafeMutableBufferPointer { average in
            // What does not move is its own average, to the bit.
            for index in average.indices where average[index] != now[index] {
                average[index] = decay * average[index] + (1 - decay) * now[index]
            }
        }
    }

    /// Calls `body` while the network holds the averages instead of its weights.
    package func withAverages<Result>(in network: Network, _ body: () throws -> Result) rethrows -> Result {
        exchange(network.parameters)
        defer { exchange(network.parameters) }
        return try body()
    }

    private func exchange(_ parameters: Parameters) {
        parameters.update {
            WeightAverage.exchange(&contents.values, $0.values)
            WeightAverage.exchange(&contents.statistics, $0.statistics)
        }
    }

    private static func exchange(_ average: inout [Float], _ now: UnsafeMutableBufferPointer<Float>) {
        average.withUnsafeMutableBufferPointer { average in
            for index in average.indices { swap(&average[index], &now[index]) }
        }
    }

    /// The averages as checkpoints hold them.
    package func tensors(_ network: Network) -> [NamedTensor] {
        let averaged = Set(WeightAverage.names(network))
        return withAverages(in: network) { ModelTensors.tensors(network) }.filter { averaged.contains($0.name) }.map {
            NamedTensor(name: "\($0.name).\(WeightAverage.suffix)", shape: $0.shape, values: $0.values)
        }
    }

    /// Takes up the averages of a checkpoint.
    package func restore(_ tensors: [String: NamedTensor], _ network: Network, from path: String) throws {
        try withAverages(in: network) { try WeightAverage.load(tensors, into: network, from: path) }
    }

    /// Whether a checkpoint's state holds averages.
    package static func isIn(_ tensors: [String: NamedTensor]) -> Bool {
        tensors.keys.contains { $0.hasSuffix(".\(suffix)") }
    }

    /// Replaces the weights of a network by a checkpoint's averages.
    package static func load(_ tensors: [String: NamedTensor], into network: Network, from path: String) throws {
        let averaged = Set(names(network))
        var whole = Dictionary(
            ModelTensors.tensors(network).filter { !averaged.contains($0.name) }.map { ($0.name, $0) },
            uniquingKeysWith: { first, _ in first })
        for (name, tensor) in tensors where name.hasSuffix(".\(suffix)") {
            whole[String(name.dropLast(suffix.count + 1))] = tensor
        }
        try ModelTensors.load(whole, into: network, from: path)
    }

    private static func names(_ network: Network) -> [String] {
        network.parameters.slots.filter { $0.layout != .counter }.map(\.name)
    }
}
