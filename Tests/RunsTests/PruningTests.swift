import Datasets
import Networks
import Tensors
import TestSupport
import Testing

@testable import Configuration
@testable import Weights

/// A narrow network whose convolutions keep some of their filters, and the whole one with zeros in place of the others.
struct PrunedScene {
    let pruned: Network
    let whole: Network
    let images: Tensor
    let labels: [Int32]
    let workspace = Workspace()

    init(_ architecture: String, stem: String = "cifar", salt: String = "pruned") throws {
        let side = architecture == "vgg16" || stem == "imagenet" ? 32 : 12
        let traits = DatasetTraits(
            classNames: ["a", "b", "c", "d"], height: side, width: side, channels: 3, mean: [0.5, 0.5, 0.5],
            standardDeviation: [0.25, 0.25, 0.25], augmentations: [])
        let width = architecture == "densenet40" ? 12 : architecture == "wrn-16-4" ? 16 : 8
        let configuration = try RunConfiguration.resolve(
            layers: ["model.architecture=\(architecture)", "model.stem=\(stem)", "model.width=\(width)"].map {
                ConfigurationLayer(override: $0)
            })
        var settings = configuration.networkSettings(traits)
        whole = try Network(settings, seed: 3)
        for (number, layer) in whole.prunable.enumerated() {
            var stream = RandomStream(seed: 4, purpose: .synthetic, step: 0, index: number)
            let kept = (0..<layer.filters).filter { _ in stream.uniform() < 0.6 }
            settings.keptFilters[layer.path] = kept.isEmpty ? [layer.filters - 1] : kept
        }
        pruned = try Network(settings, seed: 3)
        let values = HashedValues(salt: salt)
        values.fill(pruned.parameters, gain: 1, routerGain: 1)
        let tensors = Dictionary(uniqueKeysWithValues: ModelTensors.tensors(pruned).map { ($0.name, $0) })
        try ModelTensors.load(tensors, into: whole, from: "pruned")
        images = values.images(workspace, 4, channels: 3, height: side, width: side)
        labels = [0, 1, 2, 3]
    }

    struct Outcome {
        let logits: [Float]
        let gradient: [Float]
        let gradients: Gradients
    }

    /// Logits of one pass, and the gradients of its mean cross entropy.
    func outcome(
        _ network: Network, _ normalization: Normalization, folds: Bool = false, record: PassRecord? = nil
    ) throws -> Outcome {
        let pass = Pass(
            parameters: network.parameters, workspace: workspace, filters: FilterCache(capacityMegabytes: 64),
            arithmetic: .exact, normalization: normalization, folds: folds, routing: .learned(nil),
            samples: [Array(labels.indices)], record: record)
        let (logits, tape) = try network.forward([images], pass)
        let dLogits = CrossEntropy.evaluate(logits[0], labels, divisor: labels.count).dLogits
        let gradients = Gradients(network.parameters)
        let gradient = try network.backward(
            [dLogits], tape, pass, into: folds ? nil : GradientAccumulator(gradients, .none), wantsInput: true)[0]
        return Outcome(logits: Array(logits[0].elements), gradient: Array(gradient.elements), gradients: gradients)
    }
}

@Suite("Pruned networks")
struct PruningTests {
    /// The distance of two lists over the norm of the first.
    private func distance(_ a: [Float], _ b: [Float]) -> Double {
        func norm(_ values: [Float]) -> Double { values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }
        #expect(a.count == b.count)
        return norm(zip(a, b).map { $0 - $1 }) / norm(a)
    }

    // Sums over fewer channels round otherwise: some 1e-7 a layer, carried through batch norms. A unit that rounding carries
    // over its kink moves gradients by a per cent: of three networks one without is enough.
    @Test(
        "what is left computes what the masked whole does: logits, gradients of images and of what is left, statistics",
        arguments: [
            ("resnet18", "cifar"), ("resnet50", "cifar"), ("resnet18", "imagenet"), ("preact-resnet18", "cifar"),
            ("wrn-16-4", "cifar"), ("vgg16", "cifar"), ("densenet40", "cifar"),
        ])
    func equality(_ architecture: String, _ stem: String) throws {
        var differences: [String] = []
        for number in 0..<3 {
            let scene = try PrunedScene(architecture, stem: stem, salt: "pruned\(number)")
            #expect(scene.pruned.parameters.trainableCount < scene.whole.parameters.trainableCount * 3 / 4)
            differences = try self.differences(scene)
            if differences.isEmpty { break }
        }
        #expect(differences == [])
    }

    /// What differs by more than rounding between what is left of a network and the masked whole.
    private func differences(_ scene: PrunedScene) throws -> [String] {
        var result: [String] = []
        func compare(_ whole: [Float], _ left: [Float], within bound: Double, _ what: String) {
            let found = distance(whole, left)
            if !(found < bound) { result.append("\(what): \(found)") }
        }
        for (normalization, folds) in [(Normalization.running, true), (.running, false), (.local, false)] {
            let records = [PassRecord(), PassRecord()]
            let left = try scene.outcome(scene.pruned, normalization, folds: folds, record: records[0])
            let whole = try scene.outcome(scene.whole, normalization, folds: folds, record: records[1])
            let what = "\(normalization), folds \(folds)"
            compare(whole.logits, left.logits, within: 1e-5, "\(what): logits")
            compare(whole.gradient, left.gradient, within: 1e-4, "\(what): images")
            if folds { continue }
            let mine = ModelTensors.tensors(scene.pruned, arena: left.gradients.arenas[0], suffix: "gradient")
            let others = ModelTensors.tensors(scene.whole, arena: whole.gradients.arenas[0], suffix: "gradient")
            left.gradients.arenas[0].update(repeating: 1)
            let present = ModelTensors.tensors(scene.pruned, arena: left.gradients.arenas[0], suffix: "gradient")
            for index in mine.indices {
                guard case .float(let own) = mine[index].values, case .float(let all) = others[index].values,
                    case .float(let mask) = present[index].values
                else { continue }
                compare(zip(all, mask).map { $0 * $1 }, own, within: 2e-3, "\(what): \(mine[index].name)")
            }
            guard normalization == .local else { continue }
            for (network, record) in zip([scene.pruned, scene.whole], records) {
                _ = try record.settle(extra: [[]], SoloStatistics(), network.parameters)
            }
            let (again, wholeAgain) = try (
                scene.outcome(scene.pruned, .running).logits, scene.outcome(scene.whole, .running).logits
            )
            compare(wholeAgain, again, within: 1e-5, "after a step of the statistics")
        }
        return result
    }

    @Test("a pruned network costs its kept inputs times its kept outputs")
    func cost() throws {
        func cost(_ settings: [String], kept: Int? = nil) throws -> Int {
            let configuration = try RunConfiguration.resolve(
                layers: settings.map { ConfigurationLayer(override: $0) })
            var network = configuration.networkSettings(DatasetName.cifar10.traits)
            for slot in kept == nil ? [] : try Network.slots(network) where slot.name.contains(/layer\d.\d.conv/) {
                guard let kept, case .convolution(_, _, let filters) = slot.layout else { continue }
                network.keptFilters[String(slot.name.dropLast(7))] = Array(0..<filters * kept / 100)
            }
            return try Network.cost(network, imageSize: MapSize(height: 32, width: 32)).path
        }
        // The stem; two blocks of 64 inputs and 32 kept filters twice; three stages of the same cost; the classifier.
        let (first, second) = (9 * 64 * 32 * 1024, 9 * 32 * 32 * 1024)
        let stage = 9 * 64 * 64 * 256 * 2 + 64 * 128 * 256 + 9 * 128 * 64 * 256 + 9 * 64 * 64 * 256
        #expect(try cost([], kept: 50) == 9 * 3 * 64 * 1024 + 2 * (first + second) + 3 * stage + 5120)
        #expect(try cost([]) == 555_422_720)
        // The paper counts as if inputs were halved everywhere.
        #expect(try cost(["model.ratio=0.5"]) == 139_299_328)
    }

    @Test("a mask that does not fit is told by layer")
    func misfits() throws {
        func complaint(_ kept: [String: [Int]]) throws -> String {
            var settings = try PrunedScene("resnet18").whole.settings
            settings.keptFilters = kept
            let error = #expect(throws: NetworkError.self) { try Network(settings, seed: 1) }
            return error.map { "\($0)" } ?? ""
        }
        #expect(try complaint(["layer9.0.conv1": [0]]).contains("layer9.0.conv1"))
        #expect(try complaint(["layer1.0.conv1": [0, 8]]).contains("below its 8"))
        #expect(try complaint(["layer1.0.conv1": []]).contains("at least one"))
        #expect(try complaint(["layer1.0.conv1": [1, 0]]).contains("rising"))
        #expect(try complaint(["layer2.0.downsample.0": [1]]).contains("layer2.0.downsample.0"))
    }
}
