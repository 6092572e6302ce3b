import Collectives
import Datasets
import Foundation
import Networks
import TestSupport
import Testing

@testable import Files
@testable import Runs
@testable import Weights

/// Networks under the names of RobustBench's model classes.
@Suite("RobustBench's names")
struct RobustBenchTests {
    private static let subjects = [
        ConversionSubject(
            "pre-activation", ["model.architecture=preact-resnet18", "model.width=4"],
            has: ["linear.bias", "bn.running_var", "layer2.0.shortcut.0.weight", "layer1.0.bn1.weight", "mu"]),
        ConversionSubject(
            "residual", ["model.width=4"], has: ["linear.bias", "bn1.weight", "layer2.0.shortcut.1.weight", "sigma"]),
        ConversionSubject(
            "wide", ["model.architecture=wrn-28-10", "model.width=20"],
            has: ["fc.bias", "bn1.weight", "block2.layer.0.convShortcut.weight", "mu"]),
    ]

    private let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    private func convert(_ from: CheckpointLayout, _ to: CheckpointLayout, _ input: String, _ output: String) throws {
        _ = try ConversionSession(
            from: from, to: to, input: scratch(input), output: scratch(output), normalization: nil, force: true
        ).run()
    }

    @Test("there and back gives the same file, normalization included", arguments: RobustBenchTests.subjects)
    func roundTrip(_ subject: ConversionSubject) throws {
        let network = try subject.network()
        try SafetensorsFile.write(ModelTensors.tensors(network), to: scratch("own"))
        try convert(.robustmoe, .robustBench, "own", "theirs")
        let theirs = try SafetensorsFile.read(scratch("theirs"))
        for name in subject.foreign { #expect(theirs[name] != nil, "\(name)") }
        #expect(theirs["mu"]?.shape == [1, 3, 1, 1])
        try convert(.robustBench, .robustmoe, "theirs", "back")
        let (own, back) = (try SafetensorsFile.read(scratch("own")), try SafetensorsFile.read(scratch("back")))
        #expect(own == back)
        let file = try WeightFile(scratch("theirs"), layout: .robustBench)
        #expect(try file.normalization()?.mean == network.settings.mean)
        // As launch/convert/pickle writes it.
        var tensors = theirs
        for (name, other) in [("mu", "normalize.mean"), ("sigma", "normalize.std")] {
            tensors[other] = tensors.removeValue(forKey: name)?.renamed(other).reshaped([3])
        }
        try SafetensorsFile.write(Array(tensors.values), to: scratch("unpickled"))
        try convert(.robustBench, .robustmoe, "unpickled", "back")
        #expect(try SafetensorsFile.read(scratch("back")) == own)
    }

    @Test("what has no class there is refused; a second first stage that no image passes is left out")
    func refusals() throws {
        for settings in [["model.architecture=vgg16"], ["model.stem=imagenet"], ["moe.kind=conv"]] {
            let network = try ConversionSubject("", settings + ["model.width=4"], has: []).network()
            try SafetensorsFile.write(ModelTensors.tensors(network), to: scratch("own"))
            let error = #expect(throws: RunError.self) { try convert(.robustmoe, .robustBench, "own", "no") }
            #expect(error?.exitStatus == .checkpoint && !scratch.exists("no"))
        }
        let wide = try Self.subjects[2].network()
        try SafetensorsFile.write(ModelTensors.tensors(wide), to: scratch("own"))
        try convert(.robustmoe, .robustBench, "own", "theirs")
        var tensors = try SafetensorsFile.read(scratch("theirs"))
        tensors["sub_block1.layer.0.bn1.weight"] = NamedTensor(
            name: "sub_block1.layer.0.bn1.weight", shape: [2], values: .float([1, 1]))
        try SafetensorsFile.write(Array(tensors.values), to: scratch("theirs"))
        try convert(.robustBench, .robustmoe, "theirs", "back")
        // The class without a batch norm behind the last block computes another network.
        try SafetensorsFile.write(ModelTensors.tensors(try Self.subjects[0].network()), to: scratch("own"))
        try convert(.robustmoe, .robustBench, "own", "theirs")
        tensors = try SafetensorsFile.read(scratch("theirs")).filter { !$0.key.hasPrefix("bn.") }
        try SafetensorsFile.write(Array(tensors.values), to: scratch("theirs"))
        let error = #expect(throws: RunError.self) { try convert(.robustBench, .robustmoe, "theirs", "no") }
        #expect("\(try #require(error))".contains("bn.weight"))
    }

    @Test("a file evaluates as our own does, by the normalization that it says, which nobody may contradict")
    func evaluation() throws {
        let network = try Self.subjects[0].network(traits: DatasetName.synthetic.traits)
        HashedValues(salt: "robustbench").fill(network.parameters, gain: 0.85, routerGain: 4)
        try SafetensorsFile.write(ModelTensors.tensors(network), to: scratch("own"))
        try convert(.robustmoe, .robustBench, "own", "theirs")
        func evaluate(_ name: String, _ layout: CheckpointLayout, _ more: [String] = []) throws -> (String, String) {
            let session = EvaluationSession(
                checkpoint: scratch(name), layout: layout, configFiles: [], output: scratch("results"), force: true,
                settings: [
                    "data.dataset=synthetic", "data.train_samples=8", "data.test_samples=8", "evaluation.attacks=[]",
                    "distributed.threads=1",
                ] + more)
            #expect(try session.run(try session.prepare(), SoloCommunicator()) == .done)
            return (try scratch.text("results/per_sample.csv"), try scratch.text("results/evaluation.csv"))
        }
        let (_, table) = try evaluate("theirs", .robustBench)
        #expect(table.split(separator: "\n").last?.hasSuffix(",own") == true)
        let error = #expect(throws: RunError.self) { try evaluate("theirs", .robustBench, ["model.normalize=none"]) }
        #expect("\(try #require(error))".contains("says itself what images are normalized by"))
        var tensors = try SafetensorsFile.read(scratch("theirs"))
        (tensors["mu"], tensors["sigma"]) = (nil, nil)
        try SafetensorsFile.write(Array(tensors.values), to: scratch("silent"))
        #expect(throws: RunError.self) { try evaluate("silent", .robustBench) }
        _ = try evaluate("silent", .robustBench, ["model.normalize=none"])
    }

    @Test(
        "weights that the classes of the package wrote give its logits' predictions",
        .enabled(
            if: RobustBenchTests.fixture != nil,
            "ROBUSTMOE_ROBUSTBENCH names no folder of launch/bench/robustbench.py"
        ))
    func published() throws {
        let folder = try #require(Self.fixture)
        for name in ["preact-resnet18", "wrn-28-10"] {
            let session = EvaluationSession(
                checkpoint: "\(folder)/\(name).safetensors", layout: .robustBench, configFiles: [],
                output: scratch("results"), force: true,
                settings: [
                    "data.dataset=cifar10", "data.path=\(folder)", "data.corrupt=refuse", "evaluation.attacks=[]",
                    "evaluation.split=test", "distributed.threads=1",
                ])
            #expect(try session.run(try session.prepare(), SoloCommunicator()) == .done)
            let rows = try scratch.text("results/per_sample.csv").split(separator: "\n").dropFirst()
            let losses = rows.compactMap { Double($0.split(separator: ",", omittingEmptySubsequences: false)[5]) }
            let tensors = try SafetensorsFile.read("\(folder)/\(name)-losses.safetensors")
            guard case .float(let expected) = tensors["losses"]?.values else {
                Issue.record("no losses of \(name)")
                return
            }
            #expect(losses.count == expected.count)
            for (found, value) in zip(losses, expected) {
                #expect(abs(found - Double(value)) <= 1e-3 * max(1, abs(Double(value))), "\(name)")
            }
        }
    }

    private static var fixture: String? { ProcessInfo.processInfo.environment["ROBUSTMOE_ROBUSTBENCH"] }
}
