import Datasets
import Foundation
import Networks
import TestSupport
import Testing

@testable import Configuration
@testable import Files
@testable import Runs
@testable import Weights

/// Names and shapes of a network, and files of its weights in any layout.
struct ConversionSubject: CustomTestStringConvertible {
    let testDescription: String
    let settings: [String]
    /// Names that the other layout must have, and how many tensors.
    let foreign: [String]
    let count: Int?

    init(_ description: String, _ settings: [String], has foreign: [String], count: Int? = nil) {
        testDescription = description
        self.settings = settings
        self.foreign = foreign
        self.count = count
    }

    func network(seed: UInt64 = 3, traits: DatasetTraits = DatasetName.cifar100.traits) throws -> Network {
        let configuration = try RunConfiguration.resolve(
            layers: (settings + ["data.dataset=cifar100"]).map { ConfigurationLayer(override: $0) })
        let network = try Network(configuration.networkSettings(traits), seed: seed)
        // Statistics that are no constants, so that a mix-up shows.
        for (place, slot) in network.parameters.slots.enumerated() where slot.isStatistic {
            network.parameters.update { $0.values(of: slot).update(repeating: Float(place)) }
        }
        return network
    }

    static let all = [
        ConversionSubject(
            "dense", ["model.width=4"], has: ["model.layer4.0.downsample.1.running_var", "model.fc.bias"], count: 122),
        ConversionSubject(
            "conv, gap-linear", ["model.width=4", "moe.kind=conv"],
            has: [
                "model.layer4.0.conv1.gate.network.2.weight", "model.layer4.0.conv1.gate.network.2.bias",
                "model.layer4.0.downsample.0.experts.3.weight",
            ], count: 147),
        ConversionSubject(
            "conv, conv-gap", ["model.width=4", "moe.kind=conv", "moe.router=conv-gap"],
            has: ["model.layer4.1.conv2.gate.network.0.weight"], count: 142),
        ConversionSubject(
            "conv, double-conv-gap",
            ["model.width=4", "moe.kind=conv", "moe.router=double-conv-gap", "moe.router_kernel=1"],
            has: [
                "model.layer4.1.conv2.gate.network.0.weight", "model.layer4.1.conv2.gate.network.1.running_mean",
                "model.layer4.1.conv2.gate.network.2.weight",
            ]),
        ConversionSubject(
            "block, fixed-projection", ["model.width=4", "moe.kind=block", "moe.router=fixed-projection"],
            has: ["model.layer4.1.gate.network.support_vectors"]),
        ConversionSubject(
            "block, first-channels", ["model.width=4", "moe.kind=block", "moe.router=first-channels"],
            has: ["model.layer4.1.experts.0.conv1.weight"]),
        ConversionSubject(
            "block, gap-linear", ["model.width=4", "moe.kind=block"],
            has: [
                "model.layer4.0.gate.network.2.weight", "model.layer4.0.experts.2.downsample.1.num_batches_tracked",
                "model.layer4.1.experts.3.bn2.bias",
            ], count: 216),
        ConversionSubject(
            "layer4.1 alone", ["model.width=4", "moe.kind=block", "moe.placement=[layer4.1]"],
            has: ["model.layer4.1.gate.network.2.weight"], count: 160),
        ConversionSubject(
            "ResNet-50, conv", ["model.architecture=resnet50", "model.width=4", "moe.kind=conv"],
            has: ["model.layer4.2.conv3.experts.1.weight"], count: 370),
        ConversionSubject(
            "ResNet-50, block", ["model.architecture=resnet50", "model.width=4", "moe.kind=block"],
            has: ["model.layer4.2.experts.1.bn3.weight"], count: 506),
        ConversionSubject(
            "WRN-50-2", ["model.architecture=wrn-50-2", "model.width=4", "model.stem=imagenet"],
            has: ["model.layer3.5.conv2.weight"], count: 320),
    ]
}

@Suite("conversion of checkpoints")
struct ConversionTests {
    private let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    private func write(_ network: Network, _ name: String = "own") throws -> String {
        try SafetensorsFile.write(ModelTensors.tensors(network), to: scratch(name))
        return scratch(name)
    }

    @discardableResult
    private func convert(
        _ from: CheckpointLayout, _ to: CheckpointLayout, _ input: String, _ output: String, normalize: String? = nil,
        force: Bool = false
    ) throws -> [String] {
        try ConversionSession(
            from: from, to: to, input: input, output: output, normalization: normalize, force: force
        ).run()
    }

    private func complaint(_ body: () throws -> Void) throws -> (text: String, status: Files.ExitStatus) {
        let error = try #require(throws: (any Error).self) { try body() }
        return ("\(error)", Files.ExitStatus(error))
    }

    @Test("there and back gives the same file, byte for byte", arguments: ConversionSubject.all)
    func roundTrip(_ subject: ConversionSubject) throws {
        let own = try write(try subject.network())
        let foreign = scratch("foreign")
        try convert(.robustmoe, .robustSparseMoEs, own, foreign)
        let tensors = try SafetensorsFile.read(foreign)
        #expect(tensors.keys.allSatisfy { $0.hasPrefix("model.") && !$0.contains("router") })
        for name in subject.foreign { #expect(tensors[name] != nil, "\(name)") }
        if let count = subject.count { #expect(tensors.count == count) }
        try convert(.robustSparseMoEs, .robustmoe, foreign, scratch("back"), normalize: "cifar100")
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: own)) == Data(contentsOf: URL(fileURLWithPath: scratch("back"))))
        // The Lightning module's names are read as well.
        let lightning = tensors.values.map { $0.renamed("model." + $0.name) }
        try SafetensorsFile.write(lightning, to: scratch("lightning"))
        try convert(.robustSparseMoEs, .robustSparseMoEs, scratch("lightning"), scratch("bare"))
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: foreign))
                == Data(contentsOf: URL(fileURLWithPath: scratch("bare"))))
    }

    @Test("torchvision's layout is the program's own without normalisation, and has no mixtures")
    func torchvision() throws {
        let network = try ConversionSubject.all[0].network()
        let own = try write(network)
        let lines = try convert(.robustmoe, .torchvision, own, scratch("tv"))
        #expect(lines.contains { $0.contains("left out normalize.mean") })
        let tensors = try SafetensorsFile.read(scratch("tv"))
        #expect(Set(tensors.keys) == Set(network.parameters.slots.map(\.name)))
        try convert(.torchvision, .robustmoe, scratch("tv"), scratch("back"), normalize: "cifar100")
        #expect(try SafetensorsFile.read(scratch("back")) == SafetensorsFile.read(own))
        let mixture = try write(try ConversionSubject.all[1].network(), "mixture")
        let refused = try complaint { try convert(.robustmoe, .torchvision, mixture, scratch("no")) }
        #expect(
            refused.status == .checkpoint && refused.text.contains("has no mixtures of experts, found 4 conv experts"))
    }

    @Test("the signature tells network, placement, experts and router")
    func signature() throws {
        for subject in ConversionSubject.all {
            let network = try subject.network()
            let file = try WeightFile(try write(network, subject.testDescription), layout: .robustmoe)
            let found = try file.signature().networkSettings
            let (own, expected) = (try Network.slots(found), network.parameters.slots)
            #expect(own.map(\.name) == expected.map(\.name), "\(subject.testDescription)")
            #expect(own.map(\.layout) == expected.map(\.layout), "\(subject.testDescription)")
            #expect(found.stem == network.settings.stem && found.architecture == network.settings.architecture)
            #expect(found.mixture?.router.kind == network.settings.mixture?.router.kind)
        }
    }

    @Test("missing, superfluous and misshaped tensors are listed in one error, under the file's own names")
    func mismatches() throws {
        try convert(
            .robustmoe, .robustSparseMoEs, try write(try ConversionSubject.all[1].network()), scratch("foreign"))
        var tensors = try SafetensorsFile.read(scratch("foreign"))
        tensors["model.layer2.1.conv1.weight"] = nil
        tensors["model.layer4.0.conv1.gate.network.2.bias"] = nil
        tensors["model.layer4.0.conv2.experts.1.weight"] = NamedTensor(
            name: "model.layer4.0.conv2.experts.1.weight", shape: [1], values: .float([0]))
        tensors["model.head"] = NamedTensor(name: "model.head", shape: [1], values: .float([0]))
        tensors["epoch"] = NamedTensor(name: "epoch", shape: [1], values: .float([0]))
        try SafetensorsFile.write(Array(tensors.values), to: scratch("broken"))
        let refused = try complaint {
            try convert(.robustSparseMoEs, .robustmoe, scratch("broken"), scratch("no"), normalize: "none")
        }
        #expect(refused.status == .checkpoint)
        for phrase in [
            "expected a tensor model.layer2.1.conv1.weight of shape [8, 8, 3, 3], found none",
            "expected a tensor model.layer4.0.conv1.gate.network.2.bias of shape [4], found none",
            "model.layer4.0.conv2.experts.1.weight has shape [1], this model has [32, 32, 3, 3]",
            "found a tensor model.head that", "found a tensor epoch that", "2 missing, 1 misshaped, 2 superfluous",
        ] { #expect(refused.text.contains(phrase), "\(phrase): \(refused.text)") }
        #expect(!scratch.exists("no"))
    }

    @Test("what cannot be converted says why, and writes nothing")
    func mistakes() throws {
        let own = try write(try ConversionSubject.all[0].network())
        try convert(.robustmoe, .robustSparseMoEs, own, scratch("foreign"))
        func expect(_ status: Files.ExitStatus, _ phrase: String, _ body: () throws -> Void) throws {
            let refused = try complaint(body)
            #expect(refused.status == status && refused.text.contains(phrase), "\(refused.text)")
            #expect(!scratch.exists("no"))
        }
        try expect(.usage, "is there already") { try convert(.robustmoe, .torchvision, own, own) }
        try expect(.checkpoint, "names that begin with model.") {
            try convert(.robustSparseMoEs, .robustmoe, own, scratch("no"), normalize: "none")
        }
        try expect(.usage, "expected --normalize with a data set, or none") {
            try convert(.robustSparseMoEs, .robustmoe, scratch("foreign"), scratch("no"))
        }
        try expect(.usage, "expected one of cifar10") {
            try convert(.robustSparseMoEs, .robustmoe, scratch("foreign"), scratch("no"), normalize: "cifar")
        }
        try expect(.usage, "leave the option out") {
            try convert(.robustmoe, .robustmoe, own, scratch("no"), normalize: "cifar10")
        }
        try expect(.usage, "has 1 channels") {
            try convert(.robustSparseMoEs, .robustmoe, scratch("foreign"), scratch("no"), normalize: "mnist")
        }
        try expect(.checkpoint, "none of them") {
            try convert(.torchvision, .robustmoe, scratch("foreign"), scratch("no"), normalize: "none")
        }
        try scratch.write("no tensors", to: "text")
        try expect(.checkpoint, "text") { try convert(.torchvision, .robustmoe, scratch("text"), scratch("no")) }
        var tensors = try SafetensorsFile.read(own)
        for name in tensors.keys where name.hasPrefix("layer4.1") { tensors[name] = nil }
        try SafetensorsFile.write(Array(tensors.values), to: scratch("short"))
        try expect(.checkpoint, "found stages of [2, 2, 2, 1] basic blocks") {
            try convert(.robustmoe, .torchvision, scratch("short"), scratch("no"))
        }
    }
}
