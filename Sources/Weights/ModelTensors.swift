import Files
import Networks

/// Parameters as checkpoints hold them: PyTorch's names, OIHW filters, `[outputs, inputs]` matrices.
///
/// A pruned network's are those of the network that it was pruned from, zero where channels are gone: filters, weights and
/// biases of batch norms too, so that the whole network computes the same.
package enum ModelTensors {
    /// All slots of the model, and the input normalisation.
    package static func tensors(_ network: Network) -> [NamedTensor] {
        let parameters = network.parameters
        let slots = parameters.slots.map { slot in
            tensor(
                slot, name: slot.name, parameters.values(of: slot), network.selections[slot.name])
        }
        let settings = network.settings
        return slots + normalization(mean: settings.mean, deviation: settings.deviation)
    }

    /// What the input's normalisation is called in the program's own layout.
    package static let normalizationNames = ["normalize.mean", "normalize.std"]

    /// The input's normalisation, a value for each channel.
    package static func normalization(mean: [Float], deviation: [Float]) -> [NamedTensor] {
        zip(normalizationNames, [mean, deviation]).map { name, values in
            NamedTensor(name: name, shape: [values.count], values: .float(values))
        }
    }

    /// Values laid out like the parameter arena, as `<slot>.<suffix>` tensors of the trainable slots.
    package static func tensors(
        _ network: Network, arena: UnsafeMutableBufferPointer<Float>, suffix: String
    ) -> [NamedTensor] {
        trainable(network).map { slot in
            tensor(
                slot, name: "\(slot.name).\(suffix)", UnsafeBufferPointer(rebasing: arena[slot.range]),
                network.selections[slot.name])
        }
    }

    private static func trainable(_ network: Network) -> [Slot] { network.parameters.slots.filter { !$0.isStatistic } }

    /// The values of a slot as files hold them.
    package static func tensor(
        _ slot: Slot, name: String, _ values: UnsafeBufferPointer<Float>, _ selection: SlotSelection?
    ) -> NamedTensor {
        if slot.layout == .counter {
            return NamedTensor(name: name, shape: [], values: .int64([Int64(values[0])]))
        }
        var outside = [Float](repeating: 0, count: slot.count)
        forEachPair(slot.layout) { inside, place in outside[place] = values[inside] }
        guard let selection else { return NamedTensor(name: name, shape: slot.layout.shape, values: .float(outside)) }
        var whole = [Float](repeating: 0, count: selection.wholeShape.reduce(1, *))
        selection.forEachPair { place, wholePlace in whole[wholePlace] = outside[place] }
        return NamedTensor(name: name, shape: selection.wholeShape, values: .float(whole))
    }

    /// Calls `body` with the place in memory and the place outside of every element.
    private static func forEachPair(_ layout: SlotLayout, _ body: (_ inside: Int, _ outside: Int) -> Void) {
        var (filters, taps, inputs, outputs) = (1, 1, 1, 1)
        switch layout {
        case .slabs(let count, let kernel, let i, let o):
            (filters, taps, inputs, outputs) = (count, kernel * kernel, i, o)
        case .windows(_, let kernel, let i, _, let channels):
            return forEachPair(rows: channels, taps: kernel * kernel, inputs: i, body)
        case .window(let kernel, let i, let o): return forEachPair(rows: o, taps: kernel * kernel, inputs: i, body)
        case .convolution(let kernel, let i, let o): (taps, inputs, outputs) = (kernel * kernel, i, o)
        case .matrix(let i, let o): (inputs, outputs) = (i, o)
        case .flattenedMap(let side, let i, let o): (taps, inputs, outputs) = (side * side, i, o)
        case .vector(let count): outputs = count
        case .counter: break
        }
        for filter in 0..<filters {
            let start = filter * taps * inputs * outputs
            for tap in 0..<taps {
                for c in 0..<inputs {
                    for k in 0..<outputs {
                        body(start + (tap * inputs + c) * outputs + k, start + (k * inputs + c) * taps + tap)
                    }
                }
            }
        }
    }

    /// The same for OHWI in memory.
    private static func forEachPair(
        rows: Int, taps: Int, inputs: Int, _ body: (_ inside: Int, _ outside: Int) -> Void
    ) {
        for row in 0..<rows {
            for tap in 0..<taps {
                for c in 0..<inputs { body((row * taps + tap) * inputs + c, (row * inputs + c) * taps + tap) }
            }
        }
    }

    /// Fills the model from a file's tensors.
    /// - Throws: ``Files/RunError/checkpoint(_:)`` that lists what is missing, misshaped and superfluous, or tells a count that is
    ///   none.
    package static func load(_ tensors: [String: NamedTensor], into network: Network, from path: String) throws {
        let parameters = network.parameters
        let expected = parameters.slots.map { ($0.name, shape($0, network)) }
        let fixed = normalization(mean: network.settings.mean, deviation: network.settings.deviation)
        try check(tensors, expected + fixed.map { ($0.name, $0.shape) }, path)
        for slot in parameters.slots where slot.layout == .counter {
            guard case .int64(let values) = tensors[slot.name]?.values, (0...largestCount).contains(values[0]) else {
                throw RunError.checkpoint(
                    "\(path): \(slot.name) is \(describe(tensors[slot.name])), expected from 0 to \(largestCount)")
            }
        }
        for tensor in fixed where tensors[tensor.name] != tensor {
            throw RunError.checkpoint(
                "\(path): \(tensor.name) is \(describe(tensors[tensor.name])), this run normalises with \(describe(tensor))"
            )
        }
        parameters.update { writable in
            for slot in parameters.slots {
                fill(slot, writable.values(of: slot), tensors[slot.name], network.selections[slot.name])
            }
        }
    }

    /// Fills a network with the weights and running statistics of a checkpoint.
    package static func load(weightsOf checkpoint: Checkpoint, into network: Network) throws {
        try load(
            try checkpoint.tensors(in: Checkpoint.modelFile), into: network,
            from: "\(checkpoint.path)/\(Checkpoint.modelFile)")
    }

    /// The largest count that is read; in memory counts are `Float`s, and must come back as whole numbers of 64 bits.
    private static let largestCount: Int64 = 1 << 53

    private static func describe(_ tensor: NamedTensor?) -> String {
        switch tensor?.values {
        case .float(let values): "\(values)"
        case .int64(let values): "\(values)"
        case nil: "absent"
        }
    }

    /// Fills an arena laid out like the parameters from `<slot>.<suffix>` tensors.
    package static func load(
        _ tensors: [String: NamedTensor], suffix: String, into arena: UnsafeMutableBufferPointer<Float>,
        _ network: Network, from path: String
    ) throws {
        let slots = trainable(network)
        try check(tensors, slots.map { ("\($0.name).\(suffix)", shape($0, network)) }, path)
        for slot in slots {
            fill(
                slot, UnsafeMutableBufferPointer(rebasing: arena[slot.range]), tensors["\(slot.name).\(suffix)"],
                network.selections[slot.name])
        }
    }

    private static func shape(_ slot: Slot, _ network: Network) -> [Int] {
        network.selections[slot.name]?.wholeShape ?? slot.layout.shape
    }

    package static func check(
        _ tensors: [String: NamedTensor], _ expected: [(name: String, shape: [Int])], _ path: String
    ) throws {
        let kinds = tensors.mapValues { SafetensorsFile.Kind(type: $0.values.type, shape: $0.shape) }
        try TensorMismatch(kinds, expected: expected).check(path)
    }

    /// Fills a slot from a tensor that has been checked.
    package static func fill(
        _ slot: Slot, _ target: UnsafeMutableBufferPointer<Float>, _ tensor: NamedTensor?, _ selection: SlotSelection?
    ) {
        switch tensor?.values {
        case .float(let whole):
            var values = whole
            if let selection {
                values = [Float](repeating: 0, count: slot.count)
                selection.forEachPair { place, wholePlace in values[place] = whole[wholePlace] }
            }
            forEachPair(slot.layout) { inside, outside in target[inside] = values[outside] }
        case .int64(let values): target[0] = Float(values[0])
        case nil: break
        }
    }
}
