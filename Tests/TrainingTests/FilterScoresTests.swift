import Collectives
import Datasets
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@testable import Configuration
@testable import Files
@testable import Training
@testable import Weights

/// What PyTorch made of scores: see the doc string of `Fixtures/make_pruning.py`.
private struct PruningFixture: Decodable {
    struct Step: Decodable {
        let loss: Double
        let right: Int
        let kept: [String: [Int]]
    }
    let salt: String
    let width: Int
    let size: Int
    let gain: Double
    let share: Double
    let rate: Double
    let momentum: Double
    let weightDecay: Double
    let steps: [Step]
    let values: [String: AdvMoEFixture.Probe]

    static func load() throws -> PruningFixture {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/pruning.json")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(PruningFixture.self, from: Data(contentsOf: file))
    }
}

/// A narrow network that learns scores, and its batches.
private struct ScoreScene {
    let network: Network
    let step: TrainingStep
    let workspace = Workspace()
    private let fixture: PruningFixture
    private let side: Int

    /// - Parameter side: Rows and columns of the images; nil means the fixture's.
    init(_ fixture: PruningFixture, _ more: String..., side: Int? = nil) throws {
        self.fixture = fixture
        self.side = side ?? fixture.size
        let settings = [
            "model.width=\(fixture.width)", "model.normalize=none", "training.method=standard",
            "training.parameters=scores", "training.scores.filter_share=\(fixture.share)",
            "training.optimizer.rate=\(fixture.rate)", "training.optimizer.momentum=\(fixture.momentum)",
            "training.optimizer.weight_decay=\(fixture.weightDecay)", "training.schedule.name=constant",
            "kernels.arithmetic=exact",
        ]
        let configuration = try RunConfiguration.resolve(
            layers: (settings + more).map { ConfigurationLayer(override: $0) })
        let traits = DatasetTraits(
            classNames: (0..<10).map(String.init), height: self.side, width: self.side, channels: 3,
            mean: [0, 0, 0], standardDeviation: [1, 1, 1], augmentations: [])
        network = try Network(configuration.networkSettings(traits), seed: 1)
        HashedValues(salt: fixture.salt).fill(network.parameters, gain: fixture.gain, routerGain: 1)
        let communicator = SoloCommunicator()
        step = TrainingStep(
            network, configuration.trainingSettings(stepsPerEpoch: 1, ranks: 1),
            method: configuration.trainingMethod(traits, communicator), communicator: communicator,
            workspace: workspace)
    }

    private func images(_ number: Int) -> Tensor {
        HashedValues(salt: "\(fixture.salt)/batch\(number)").images(
            workspace, 8, channels: 3, height: side, width: side)
    }

    /// Logits of other images than those that are trained on.
    func logits(_ network: Network, _ normalization: Normalization) throws -> Tensor {
        let pass = Pass(
            parameters: network.parameters, workspace: workspace, filters: FilterCache(capacityMegabytes: 64),
            arithmetic: .exact, normalization: normalization, samples: [Array(0..<8)])
        return try network.forward([images(99)], pass).logits[0]
    }

    func run(_ number: Int) throws -> UpdateOutcome {
        let images = images(number)
        let batch = TrainingBatch(
            images: [images], labels: [(0..<8).map { Int32((7 * $0 + 3 * number) % 10) }],
            samples: [Array(0..<8)], globalSize: 8)
        return try #require(try step.run(batch, step: number, wantsToStop: false).updates.first)
    }

    func values(_ names: (String) -> Bool) -> [String: [Float]] {
        Dictionary(
            uniqueKeysWithValues: network.parameters.slots.filter { !$0.isStatistic && names($0.name) }.map {
                ($0.name, Array(network.parameters.values(of: $0)))
            })
    }
}

@Suite("Scores of filters")
struct FilterScoresTests {
    @Test("three steps are PyTorch's: losses, masks, scores and batch norms")
    func parity() throws {
        let fixture = try PruningFixture.load()
        let scene = try ScoreScene(fixture)
        let scores = try #require(scene.step.scores)
        for (number, known) in fixture.steps.enumerated() {
            let outcome = try scene.run(number)
            let loss = outcome.passes[0].lossSum / 8
            #expect(abs(loss - known.loss) <= 1e-5 * known.loss, "step \(number): \(loss), \(known.loss)")
            #expect(outcome.passes[0].correct == known.right)
            for layer in scene.network.prunable {
                #expect(scores.kept(layer) == known.kept[layer.path], "step \(number): \(layer.path)")
            }
        }
        var found: [String: [Double]] = [:]
        // Scores, and batch norms as they are without masks; last, those that have none.
        for suffix in [".scores", ".unmasked"] {
            for tensor in scores.tensors where tensor.name.hasSuffix(suffix) {
                let name = String(tensor.name.dropLast(suffix.count))
                guard case .float(let values) = tensor.values, found[name] == nil else { continue }
                found[name] = values.map(Double.init)
            }
        }
        #expect(Set(found.keys) == Set(fixture.values.keys))
        for (name, known) in fixture.values {
            let values = try #require(found[name])
            // A multiple of PyTorch's own rounding, and what a unit that rounding carries over its kink moves.
            let limit = 8 * known.error + 2e-4 * known.norm
            let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(abs(norm - known.norm) <= limit, "\(name): norm \(norm), known \(known.norm)")
            for (value, exact) in zip(AdvMoEScene.probes(values, known.values.count), known.values) {
                #expect(abs(value - exact) <= limit, "\(name): \(value), known \(exact)")
            }
        }
    }

    @Test("weights stand still or are masked, and nothing but scores and batch norms moves")
    func frozen() throws {
        let fixture = try PruningFixture.load()
        let scene = try ScoreScene(fixture)
        func isFrozen(_ name: String) -> Bool { fixture.values[name] == nil }
        let before = scene.values(isFrozen)
        #expect(Set(before.keys).contains("conv1.weight") && Set(before.keys).contains("fc.bias"))
        for number in 0..<3 { _ = try scene.run(number) }
        #expect(scene.values(isFrozen) == before)
        let scores = try #require(scene.step.scores)
        for layer in scene.network.prunable {
            let masked = scores.withoutMasked { Array(scene.network.parameters.values(of: layer.weight)) }
            let kept = scores.kept(layer)
            // int((1 - 0.4) · filters) go.
            #expect(kept.count == layer.filters - layer.filters * 6 / 10)
            for filter in 0..<layer.filters {
                let column = stride(from: filter, to: masked.count, by: layer.filters).map { masked[$0] }
                #expect(column.contains { $0 != 0 } == kept.contains(filter), "\(layer.path), filter \(filter)")
            }
        }
    }

    @Test(
        "the network that scores train is what is left once masked filters are gone: in evaluation, in training, in files"
    )
    func compact() throws {
        for architecture in ["resnet18", "vgg16", "densenet40", "wrn-16-4", "preact-resnet18"] {
            let side = architecture == "vgg16" ? 32 : 16
            let width = ["densenet40": 12, "wrn-16-4": 16][architecture] ?? 8
            let scene = try ScoreScene(
                try PruningFixture.load(), "model.architecture=\(architecture)", "model.width=\(width)", side: side)
            for number in 0..<2 { _ = try scene.run(number) }
            let scores = try #require(scene.step.scores)
            var settings = scene.network.settings
            settings.keptFilters = Dictionary(
                uniqueKeysWithValues: scene.network.prunable.map { ($0.path, scores.kept($0)) })
            let compact = try Network(settings, seed: 5)
            #expect(compact.parameters.trainableCount < scene.network.parameters.trainableCount)
            let tensors = Dictionary(
                uniqueKeysWithValues: scores.withoutMasked { ModelTensors.tensors(scene.network) }.map { ($0.name, $0) }
            )
            try ModelTensors.load(tensors, into: compact, from: "model")
            for normalization in [Normalization.running, .local] {
                let whole = try scene.logits(scene.network, normalization)
                let left = try scene.logits(compact, normalization)
                let largest = whole.elements.reduce(0) { max($0, abs($1)) }
                for (one, other) in zip(whole.elements, left.elements) {
                    #expect(abs(one - other) <= 1e-5 * max(1, largest), "\(architecture), \(normalization)")
                }
                #expect(CrossEntropy.predictions(whole) == CrossEntropy.predictions(left))
            }
            // A batch norm of a channel that is gone is zero in files, as a pruned network's are.
            for slot in compact.parameters.slots where !slot.isStatistic && slot.name.contains("bn") {
                guard let outputs = compact.selections[slot.name]?.outputs else { continue }
                guard case .float(let values) = tensors[slot.name]?.values else { continue }
                for channel in values.indices { #expect((values[channel] != 0) == outputs.contains(channel)) }
            }
        }
    }

    @Test("a masked filter's batch norm stands still, and is there again when the filter is")
    func masked() throws {
        let scene = try ScoreScene(try PruningFixture.load(), "training.optimizer.rate=0.2")
        let scores = try #require(scene.step.scores)
        func unmasked(_ slot: String) throws -> [Float] {
            let tensor = try #require(scores.tensors.first { $0.name == "\(slot).unmasked" })
            guard case .float(let values) = tensor.values else { return [] }
            return values
        }
        var returned = 0
        for number in 0..<6 {
            var before: [String: (kept: Set<Int>, values: [Float])] = [:]
            for layer in scene.network.prunable {
                let slot = layer.path.replacing("conv", with: "bn") + ".weight"
                before[slot] = (Set(scores.kept(layer)), try unmasked(slot))
            }
            _ = try scene.run(number)
            for layer in scene.network.prunable {
                let slot = layer.path.replacing("conv", with: "bn") + ".weight"
                let (kept, values) = try #require(before[slot])
                let now = try unmasked(slot)
                for filter in 0..<layer.filters {
                    #expect((now[filter] == values[filter]) == !kept.contains(filter), "\(slot), filter \(filter)")
                }
                let again = Set(scores.kept(layer)).subtracting(kept)
                returned += again.count
                let used = scene.values { $0 == slot }[slot]
                for filter in again { #expect(used?[filter] == values[filter]) }
            }
        }
        #expect(returned > 0)
    }

    @Test("scores and weights come back from a checkpoint, and go on as if nothing had happened")
    func restored() throws {
        let fixture = try PruningFixture.load()
        let first = try ScoreScene(fixture)
        _ = try first.run(0)
        let second = try ScoreScene(fixture)
        let saved = try #require(first.step.scores).tensors
        try ModelTensors.load(
            Dictionary(uniqueKeysWithValues: ModelTensors.tensors(first.network).map { ($0.name, $0) }),
            into: second.network, from: "model")
        _ = second.step.optimizer.state[0].arena.update(fromContentsOf: first.step.optimizer.state[0].arena)
        try second.step.scores?.restore(
            Dictionary(uniqueKeysWithValues: saved.map { ($0.name, $0) }), from: "state")
        for scene in [first, second] { _ = try scene.run(1) }
        #expect(first.values { _ in true } == second.values { _ in true })
        #expect(first.step.scores?.tensors == second.step.scores?.tensors)
        let error = #expect(throws: RunError.self) {
            try second.step.scores?.restore([:], from: "state")
        }
        #expect("\(try #require(error))".contains("layer1.0.conv1.weight.scores"))
    }
}
