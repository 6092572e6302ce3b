import Networks
import TestSupport
import Testing

@testable import Training

@Suite("stochastic gradient descent")
struct StochasticGradientDescentTests {
    let network: Network
    var parameters: Parameters { network.parameters }

    init() throws {
        network = try TinyNetwork.make()
        parameters.update { $0.values.update(repeating: 2) }
    }

    private func settings(_ change: (inout OptimizerSettings) -> Void) -> OptimizerSettings {
        var settings = OptimizerSettings()
        settings.weightDecay = 0
        change(&settings)
        return settings
    }

    private func optimizer(_ change: (inout OptimizerSettings) -> Void) -> StochasticGradientDescent {
        optimizer(settings(change))
    }

    private func optimizer(_ settings: OptimizerSettings) -> StochasticGradientDescent {
        StochasticGradientDescent([.backbone: settings, .router: settings], parameters)
    }

    /// Takes steps with these gradients, the same of every parameter, at rate 0.5.
    private func take(_ gradients: [Float], _ optimizer: StochasticGradientDescent, idle: Set<ExpertOwner> = []) {
        let gradient = UnsafeMutableBufferPointer<Float>.allocate(capacity: parameters.parameterCount)
        defer { gradient.deallocate() }
        for value in gradients {
            gradient.initialize(repeating: value)
            optimizer.step(parameters, gradient, rate: 0.5, idle: idle)
        }
    }

    private func slot(_ name: String) throws -> Slot { try #require(parameters.slots.first { $0.name == name }) }

    private func expectAll(
        weights: Float, momentum: Float, _ optimizer: StochasticGradientDescent,
        _ sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for slot in parameters.slots where !slot.isStatistic {
            let isRight = slot.range.allSatisfy {
                parameters.values[$0] == weights && optimizer.momentum[$0] == momentum
            }
            let index = slot.offset
            #expect(
                isRight, "\(slot.name): \(parameters.values[index]), \(optimizer.momentum[index])",
                sourceLocation: sourceLocation)
        }
    }

    // All numbers are multiples of powers of two, so that they are exact.

    @Test("Without momentum a step goes along the gradient of its own")
    func plain() {
        let optimizer = optimizer { $0.momentum = 0 }
        take([1, -3], optimizer)
        // 2 − 0.5·1 = 1.5, then 1.5 + 0.5·3 = 3.
        expectAll(weights: 3, momentum: -3, optimizer)
    }

    @Test("Momentum adds half of the last step's direction, the first taken whole")
    func momentum() {
        let optimizer = optimizer { $0.momentum = 0.5 }
        take([1, 1, -4], optimizer)
        // v: 1, 1.5, −3.25; p: 1.5, 0.75, 2.375.
        expectAll(weights: 2.375, momentum: -3.25, optimizer)
    }

    @Test("Nesterov's variant looks one step ahead")
    func nesterov() {
        let optimizer = optimizer {
            $0.momentum = 0.5
            $0.nesterov = true
        }
        take([1, 2], optimizer)
        // v: 1, 2.5; p: 2 − 0.5·(1 + 0.5·1) = 1.25, then 1.25 − 0.5·(2 + 0.5·2.5) = −0.375.
        expectAll(weights: -0.375, momentum: 2.5, optimizer)
    }

    @Test("Decay adds to the gradient ahead of momentum", arguments: [false, true])
    func decay(nesterov: Bool) {
        let optimizer = optimizer {
            $0.momentum = 0.5
            $0.nesterov = nesterov
            $0.weightDecay = 0.25
        }
        take([1], optimizer)
        // g = 1 + 0.25·2 = 1.5.
        if nesterov {
            expectAll(weights: 2 - 0.5 * (1.5 + 0.75), momentum: 1.5, optimizer)
        } else {
            expectAll(weights: 1.25, momentum: 1.5, optimizer)
        }
        let version = parameters.version
        take([1], optimizer)
        #expect(parameters.version > version, "prepared filters would be stale")
    }

    @Test("What decay_exclude names does not decay: last components, or a path above")
    func excluded() throws {
        let settings = settings {
            $0.weightDecay = 0.25
            $0.decayExclude = ["bias", "bn1.weight", "layer1"]
        }
        for (name, decays) in [
            ("conv1.weight", true), ("bn1.weight", false), ("bn1.bias", false), ("layer1.0.conv1.weight", false),
            ("layer2.0.conv1.experts.1.weight", true), ("layer2.0.conv1.router.bias", false),
            ("layer2.0.bn1.weight", false), ("layer2.0.bn2.weight", true), ("layer2.0.downsample.1.weight", true),
            ("fc.weight", true), ("fc.bias", false),
        ] {
            #expect(try settings.decays(slot(name)) == decays, "\(name)")
        }
        take([0], optimizer(settings))
        #expect(try parameters.values(of: slot("conv1.weight"))[0] == 1.75)
        #expect(try parameters.values(of: slot("layer1.0.conv1.weight"))[0] == 2)
    }

    @Test("Idle experts are skipped whole: no decay, no momentum")
    func idle() throws {
        let optimizer = optimizer { $0.weightDecay = 0.25 }
        take([1], optimizer)
        let idle = ExpertOwner(layer: "layer2.0.conv1", expert: 1)
        func state(_ name: String) throws -> [Float] {
            let slot = try slot(name)
            return Array(parameters.values(of: slot)) + Array(optimizer.momentum[slot.range])
        }
        let names = parameters.slots.filter { !$0.isStatistic }.map(\.name)
        let before = try names.map(state)
        take([1], optimizer, idle: [idle])
        for (name, old) in zip(names, before) {
            let isKept = try state(name) == old
            #expect(isKept == (name == "layer2.0.conv1.experts.1.weight"), "\(name)")
        }
    }

    @Test("Running statistics are no business of the optimizer")
    func statistics() {
        let before = Array(parameters.statistics)
        take([1, 1], optimizer { $0.weightDecay = 0.25 })
        #expect(Array(parameters.statistics) == before)
    }
}
