import Networks

/// Parameters as checkpoints hold them: PyTorch's names, OIHW filters, `[outputs, inputs]` matrices.
enum ModelTensors {
    /// All slots of the model, and the input normalisation.
    static func tensors(_ network: ResNet) -> [NamedTensor] {
        let parameters = network.parameters
        let slots = parameters.slots.map { slot in
            tensor(slot, name: slot.name, UnsafeBufferPointer(parameters.values(of: slot)))
        }
        return slots + normalization(network.settings)
    }

    private static func normalization(_ settings: ResNetSettings) -> [NamedTensor] {
        [
            NamedTensor(name: "normalize.mean", shape: [settings.channels], values: .float(settings.mean)),
            NamedTensor(name: "normalize.std", shape: [settings.channels], values: .float(settings.deviation)),
        ]
    }

    /// Values laid out like the parameter arena, as `<slot>.<suffix>` tensors of the trainable slots.
    static func tensors(
        _ parameters: Parameters, arena: UnsafeMutableBufferPointer<Float>, suffix: String
    ) -> [NamedTensor] {
        parameters.slots.filter { !$0.isStatistic }.map { slot in
            tensor(slot, name: "\(slot.name).\(suffix)", UnsafeBufferPointer(rebasing: arena[slot.range]))
        }
    }

    private static func tensor(_ slot: Slot, name: String, _ values: UnsafeBufferPointer<Float>) -> NamedTensor {
        if slot.layout == .counter {
            return NamedTensor(name: name, shape: [], values: .int64([Int64(values[0])]))
        }
        var outside = [Float](repeating: 0, count: slot.count)
        forEachPair(slot.layout) { inside, place in outside[place] = values[inside] }
        return NamedTensor(name: name, shape: slot.layout.shape, values: .float(outside))
    }

    /// Calls `body` with the place in memory and the place outside of every element.
    private static func forEachPair(_ layout: SlotLayout, _ body: (_ inside: Int, _ outside: Int) -> Void) {
        let (taps, inputs, outputs): (Int, Int, Int)
        switch layout {
        case .convolution(let kernel, let i, let o): (taps, inputs, outputs) = (kernel * kernel, i, o)
        case .matrix(let i, let o): (taps, inputs, outputs) = (1, i, o)
        case .vector(let count): (taps, inputs, outputs) = (1, 1, count)
        case .counter: (taps, inputs, outputs) = (1, 1, 1)
        }
        for tap in 0..<taps {
            for c in 0..<inputs {
                for k in 0..<outputs { body((tap * inputs + c) * outputs + k, (k * inputs + c) * taps + tap) }
            }
        }
    }

    /// Fills the model from a file's tensors.
    /// - Throws: ``RunError/checkpoint(_:)`` naming the first tensor that is missing, superfluous or misshaped.
    static func load(_ tensors: [String: NamedTensor], into network: ResNet, from path: String) throws {
        let parameters = network.parameters
        let expected = parameters.slots.map { ($0.name, $0.layout.shape) }
        let fixed = normalization(network.settings)
        try check(tensors, expected + fixed.map { ($0.name, $0.shape) }, path)
        for tensor in fixed where tensors[tensor.name] != tensor {
            throw RunError.checkpoint(
                "\(path): \(tensor.name) is \(describe(tensors[tensor.name])), this run normalises with \(describe(tensor))"
            )
        }
        for slot in parameters.slots {
            fill(slot, parameters.values(of: slot), tensors[slot.name])
        }
        parameters.noteChange()
    }

    private static func describe(_ tensor: NamedTensor?) -> String {
        guard case .float(let values) = tensor?.values else { return "absent" }
        return "\(values)"
    }

    /// Fills an arena laid out like the parameters from `<slot>.<suffix>` tensors.
    static func load(
        _ tensors: [String: NamedTensor], suffix: String, into arena: UnsafeMutableBufferPointer<Float>,
        _ parameters: Parameters, from path: String
    ) throws {
        let slots = parameters.slots.filter { !$0.isStatistic }
        try check(tensors, slots.map { ("\($0.name).\(suffix)", $0.layout.shape) }, path)
        for slot in slots {
            fill(slot, UnsafeMutableBufferPointer(rebasing: arena[slot.range]), tensors["\(slot.name).\(suffix)"])
        }
    }

    private static func check(
        _ tensors: [String: NamedTensor], _ expected: [(name: String, shape: [Int])], _ path: String
    ) throws {
        for (name, shape) in expected {
            guard let found = tensors[name] else {
                throw RunError.checkpoint(
                    "\(path): expected a tensor \(name) of shape \(shape), found none: it is of another architecture")
            }
            if found.shape != shape {
                throw RunError.checkpoint(
                    "\(path): \(name) has shape \(found.shape), this model has \(shape): it is of another architecture")
            }
        }
        for (name, shape) in expected {
            // Whole numbers have the shape of a scalar, and nothing else has.
            guard let found = tensors[name] else { continue }
            if case .int64 = found.values, !shape.isEmpty { throw misstored(name, "int64", "float32", path) }
            if case .float = found.values, shape.isEmpty { throw misstored(name, "float32", "int64", path) }
        }
        let known = Set(expected.map(\.name))
        if let extra = tensors.keys.filter({ !known.contains($0) }).min() {
            throw RunError.checkpoint(
                "\(path): found a tensor \(extra) that this model does not have: it is of another architecture")
        }
    }

    private static func misstored(_ name: String, _ found: String, _ expected: String, _ path: String) -> RunError {
        .checkpoint("\(path): \(name) is stored as \(found), expected \(expected)")
    }

    /// Fills a slot from a tensor that has been checked.
    private static func fill(
        _ slot: Slot, _ target: UnsafeMutableBufferPointer<Float>, _ tensor: NamedTensor?
    ) {
        switch tensor?.values {
        case .float(let values):
            forEachPair(slot.layout) { inside, outside in target[inside] = values[outside] }
        case .int64(let values): target[0] = Float(values[0])
        case nil: break
        }
    }
}
