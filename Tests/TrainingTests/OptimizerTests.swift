import Foundation
import Networks
import TestSupport
import Testing

@testable import Training

/// What PyTorch made of each rule: see the doc string of `Fixtures/make_optimizers.py`.
private struct OptimizerFixture: Decodable {
    let rates: [Double]
    /// For each tensor its weights, and its gradients step by step.
    let values: [String: [[Double]]]
    let results: [String: [String: [Double]]]

    static func load() throws -> OptimizerFixture {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/optimizers.json")
        return try JSONDecoder().decode(OptimizerFixture.self, from: Data(contentsOf: file))
    }
}

@Suite("optimizers with moments and ratios of norms")
struct OptimizerTests {
    /// Slots that take the fixture's tensors; what is left of them stays zero, in weights and gradients.
    private static let places = ["matrix": "conv1.weight", "zeros": "fc.weight", "vector": "layer1.0.bn1.weight"]

    private func settings(_ name: OptimizerName, _ change: (inout OptimizerSettings) -> Void = { _ in })
        -> OptimizerSettings
    {
        var settings = OptimizerSettings()
        settings.name = name
        settings.weightDecay = 0.01
        change(&settings)
        return settings
    }

    private func optimizer(_ settings: OptimizerSettings, _ parameters: Parameters) -> any Optimizer {
        settings.name.optimizer([.backbone: settings, .router: settings], parameters) { _ in true }
    }

    private func slot(_ name: String, _ parameters: Parameters) throws -> Slot {
        try #require(parameters.slots.first { $0.name == name })
    }

    /// Takes a step with these gradients at the beginning of some slots, zero elsewhere.
    private func take(
        _ gradients: [Slot: [Double]], _ optimizer: any Optimizer, _ parameters: Parameters, rate: Double,
        idle: Set<ExpertOwner> = []
    ) {
        let gradient = UnsafeMutableBufferPointer<Float>.allocate(capacity: parameters.parameterCount)
        defer { gradient.deallocate() }
        gradient.initialize(repeating: 0)
        for (slot, values) in gradients {
            for (index, value) in values.enumerated() { gradient[slot.offset + index] = Float(value) }
        }
        optimizer.step(parameters, gradient, rate: rate, idle: idle, groups: [.backbone, .router])
    }

    private func fill(_ parameters: Parameters, _ values: [Slot: [Double]]) {
        parameters.update { writable in
            writable.values.update(repeating: 0)
            for (slot, values) in values {
                for (index, value) in values.enumerated() { writable.values[slot.offset + index] = Float(value) }
            }
        }
    }

    // Three steps of float32 beside float64: a few roundings of 6e-8 each.
    @Test(
        "Three steps are those of PyTorch or of the paper",
        arguments: ["adam", "adamw", "lars", "lamb", "lamb-corrected"])
    func parity(rule: String) throws {
        let fixture = try OptimizerFixture.load()
        let parameters = try TinyNetwork.make().parameters
        let slots = try Self.places.mapValues { try slot($0, parameters) }
        func tensors(_ step: Int) throws -> [Slot: [Double]] {
            try Dictionary(
                uniqueKeysWithValues: slots.map { name, slot in (slot, try #require(fixture.values[name])[step]) })
        }
        fill(parameters, try tensors(0))
        let name = try #require(OptimizerName(rawValue: rule.replacingOccurrences(of: "-corrected", with: "")))
        let optimizer = optimizer(settings(name) { $0.biasCorrection = rule != "lamb" }, parameters)
        for (step, rate) in fixture.rates.enumerated() {
            take(try tensors(step + 1), optimizer, parameters, rate: rate)
        }
        let expected = try #require(fixture.results[rule])
        for (name, slot) in slots {
            for (index, value) in try #require(expected[name]).enumerated() {
                let found = Double(parameters.values[slot.offset + index])
                #expect(abs(found - value) <= 1e-6 * max(1, abs(value)), "\(name)[\(index)]: \(found), \(value)")
            }
        }
    }

    @Test("Layerwise steps do not depend on the gradient's length", arguments: [OptimizerName.lars, .lamb])
    func scaleInvariance(rule: OptimizerName) throws {
        func moved(by factor: Double) throws -> [Float] {
            let parameters = try TinyNetwork.make().parameters
            let conv = try slot("conv1.weight", parameters)
            fill(parameters, [conv: (0..<conv.count).map { Double($0 % 7) - 2 }])
            let optimizer = optimizer(settings(rule) { $0.weightDecay = 0 }, parameters)
            for step in 0..<3 {
                let gradient = (0..<conv.count).map { factor * (Double(($0 + step) % 5) - 1.5) }
                take([conv: gradient], optimizer, parameters, rate: 0.1)
            }
            return Array(parameters.values(of: conv))
        }
        let (short, long) = (try moved(by: 1), try moved(by: 1000))
        // Epsilon of 1e-6 beside moments' roots of 0.02 and more.
        for (a, b) in zip(short, long) { #expect(abs(a - b) <= 1e-4 * max(1, abs(a)), "\(a) and \(b)") }
    }

    @Test("A tensor of several channel experts has a ratio for each", arguments: [OptimizerName.lars, .lamb])
    func slabs(rule: OptimizerName) throws {
        func moved(_ other: Double) throws -> [Float] {
            let parameters = try TinyNetwork.makeChannels(.layer).parameters
            let conv = try slot("layer1.0.conv1.weight", parameters)
            let half = conv.count / 2
            func both(_ value: (Int) -> Double) -> [Double] {
                (0..<conv.count).map { $0 < half ? value($0) : other * value($0) }
            }
            fill(parameters, [conv: both { Double($0 % 7) - 2 }])
            let optimizer = optimizer(settings(rule), parameters)
            take([conv: both { Double($0 % 5) - 1.5 }], optimizer, parameters, rate: 0.1)
            return Array(parameters.values(of: conv).prefix(half))
        }
        #expect(try moved(1) == moved(100), "the other expert's norms enter")
    }

    @Test("Idle experts are skipped whole: no decay, no moments, no count", arguments: OptimizerName.allCases)
    func idle(rule: OptimizerName) throws {
        let parameters = try TinyNetwork.make().parameters
        let optimizer = optimizer(settings(rule), parameters)
        let slots = parameters.slots.filter { !$0.isStatistic }
        let gradient = Dictionary(uniqueKeysWithValues: slots.map { ($0, Array(repeating: 0.5, count: $0.count)) })
        take(gradient, optimizer, parameters, rate: 0.1)
        func state(_ index: Int) -> [Double] {
            let slot = slots[index]
            return (Array(parameters.values(of: slot)) + optimizer.state.flatMap { Array($0.arena[slot.range]) })
                .map(Double.init) + (optimizer.updates.isEmpty ? [] : [Double(optimizer.updates[index])])
        }
        let before = slots.indices.map(state)
        let idle = ExpertOwner(layer: "layer2.0.conv1", expert: 1)
        take(gradient, optimizer, parameters, rate: 0.1, idle: [idle])
        for index in slots.indices {
            #expect(
                (state(index) == before[index]) == (slots[index].name == "layer2.0.conv1.experts.1.weight"),
                "\(slots[index].name)")
        }
    }

    @Test("What trust_exclude names moves as far as its gradient says")
    func excluded() throws {
        let parameters = try TinyNetwork.make().parameters
        let conv = try slot("conv1.weight", parameters)
        fill(parameters, [conv: Array(repeating: 2, count: conv.count)])
        let optimizer = optimizer(
            settings(.lars) {
                $0.trustExclude = ["conv1.weight"]
                $0.weightDecay = 0.5
            }, parameters)
        take([conv: Array(repeating: 1, count: conv.count)], optimizer, parameters, rate: 0.25)
        // Neither ratio nor decay: 2 − 0.25·1.
        #expect(parameters.values(of: conv).allSatisfy { $0 == 1.75 })
    }
}
