import Collectives
import Datasets
import Foundation
import Networks
import TestSupport
import Testing

@testable import Files
@testable import Runs
@testable import Weights

/// Networks of channel experts, and the names that the public AdvMoE code has for them.
@Suite("conversion of channel experts")
struct ReleasedNetworkTests {
    private static let channel = ["moe.kind=channel", "moe.experts=2"]
    private static let image = channel + ["moe.scope=image", "moe.router=resnet20"]

    private static let released = [
        ConversionSubject(
            "dense", ["model.width=4"], has: ["linear.weight", "layer2.0.shortcut.1.num_batches_tracked"], count: 122),
        ConversionSubject(
            "two experts", image + ["model.width=8", "model.ratio=0.5"],
            has: [
                "linear.bias", "layer1.0.shortcut.0.weight", "router.fc.bias",
                "layer4.1.conv2.router.layer3.2.bn2.running_var",
            ], count: 2100),
        ConversionSubject(
            "widths that are rounded down", image + ["model.width=16", "model.ratio=0.2", "moe.experts=3"],
            has: ["layer2.0.conv1.router.conv1.weight"], count: 2100),
        ConversionSubject(
            "ResNet-50", image + ["model.architecture=resnet50", "model.width=8", "model.ratio=0.5"],
            has: ["layer4.2.conv3.router.fc.weight"]),
        ConversionSubject(
            "ImageNet's stem", image + ["model.stem=imagenet", "model.width=8", "model.ratio=0.5"],
            has: ["fc.weight", "layer2.0.downsample.0.router.fc.weight", "layer2.0.downsample.1.weight"]),
        ConversionSubject(
            "wide ResNet", image + ["model.architecture=wrn-28-10", "model.width=40", "model.ratio=0.5"],
            has: [
                "fc.weight", "block2.layer.0.convShortcut.router.fc.weight", "block1.layer.3.conv2.weight", "bn1.bias",
            ]),
        ConversionSubject(
            "wide ResNet, ImageNet's stem",
            image + ["model.architecture=wrn-16-4", "model.stem=imagenet", "model.width=16", "model.ratio=0.5"],
            has: ["bn0.running_mean", "block3.layer.1.conv1.router.conv1.weight"]),
        ConversionSubject(
            "dense wide ResNet", ["model.architecture=wrn-16-4", "model.ratio=0.2"], has: ["block1.layer.0.bn1.weight"]),
        ConversionSubject(
            "VGG", image + ["model.architecture=vgg16", "model.width=16", "model.ratio=0.5"],
            has: ["features.40.router.fc.weight", "features.0.weight", "classifier.4.bias"]),
        ConversionSubject(
            "dense VGG", ["model.architecture=vgg16", "model.width=8"], has: ["features.41.running_var"]),
        ConversionSubject(
            "DenseNet", image + ["model.architecture=densenet40", "model.ratio=0.5"],
            has: ["features.denseblock3.denselayer6.conv2.router.fc.weight", "features.norm_final.weight"]),
        ConversionSubject(
            "dense DenseNet", ["model.architecture=densenet40", "model.ratio=0.8"],
            has: ["features.transition1.conv.weight", "classifier.weight"]),
    ]

    private let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    private func write(_ network: Network, _ name: String = "own") throws -> String {
        try SafetensorsFile.write(ModelTensors.tensors(network), to: scratch(name))
        return scratch(name)
    }

    @discardableResult
    private func convert(
        _ from: CheckpointLayout, _ to: CheckpointLayout, _ input: String, _ output: String
    ) throws -> [String] {
        try ConversionSession(
            from: from, to: to, input: scratch(input), output: scratch(output),
            normalization: from == .robustMoECNN ? "cifar100" : nil, force: false
        ).run()
    }

    private func rewrite(_ name: String, as other: String, _ change: (inout [String: NamedTensor]) -> Void) throws {
        var tensors = try SafetensorsFile.read(scratch(name))
        change(&tensors)
        try SafetensorsFile.write(Array(tensors.values), to: scratch(other))
    }

    private func bytes(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: scratch(name))) }

    @Test(
        "there and back gives the same file, with the router repeated below every layer or not",
        arguments: ReleasedNetworkTests.released)
    func roundTrip(_ subject: ConversionSubject) throws {
        _ = try write(try subject.network())
        try convert(.robustmoe, .robustMoECNN, "own", "released")
        let tensors = try SafetensorsFile.read(scratch("released"))
        for name in subject.foreign { #expect(tensors[name] != nil, "\(name)") }
        if let count = subject.count { #expect(tensors.count == count) }
        for (name, tensor) in tensors {
            if let range = name.firstRange(of: ".router.") {
                #expect(tensor.values == tensors["router.\(name[range.upperBound...])"]?.values, "\(name)")
            }
        }
        try convert(.robustMoECNN, .robustmoe, "released", "back")
        #expect(try bytes("back") == bytes("own"))
        try rewrite("released", as: "once") { tensors in
            for name in tensors.keys where name.contains(".router.") { tensors[name] = nil }
        }
        try convert(.robustMoECNN, .robustmoe, "once", "back again")
        #expect(try bytes("back again") == bytes("own"))
    }

    @Test("the signature tells widths, ratio, experts and how far a choice reaches")
    func signature() throws {
        let layered = [
            ConversionSubject("a router a layer", Self.channel + ["model.width=8", "model.ratio=0.5"], has: []),
            ConversionSubject(
                "convolutional routers",
                Self.channel + [
                    "model.width=20", "model.ratio=0.35", "moe.router=double-conv-gap", "moe.router_kernel=1",
                ],
                has: []),
            ConversionSubject(
                "heads on one trunk", Self.channel + ["model.width=8", "model.ratio=0.5", "moe.router=resnet20"],
                has: []),
            ConversionSubject(
                "heads on one trunk, blocks", ["model.width=8", "moe.kind=block", "moe.router=resnet20"], has: []),
            ConversionSubject("narrow and dense", ["model.ratio=0.2"], has: []),
            ConversionSubject(
                "VGG with a router a layer",
                Self.channel + ["model.architecture=vgg16", "model.width=16", "model.ratio=0.5"], has: []),
            ConversionSubject(
                "wide ResNet with convolutions as experts",
                ["model.architecture=wrn-16-4", "model.width=16", "moe.kind=conv", "moe.experts=3"], has: []),
        ]
        for subject in Self.released + layered {
            let network = try subject.network()
            let file = try WeightFile(try write(network, subject.testDescription), layout: .robustmoe)
            let found = try file.signature().networkSettings
            let (own, expected) = (try Network.slots(found), network.parameters.slots)
            #expect(own.map(\.name) == expected.map(\.name), "\(subject.testDescription)")
            #expect(own.map(\.layout) == expected.map(\.layout), "\(subject.testDescription)")
            #expect(found.mixture?.router.kind == network.settings.mixture?.router.kind)
            #expect(found.mixture?.scope == network.settings.mixture?.scope)
        }
    }

    @Test("a file without a router gets one, and says so; a repetition that differs is refused")
    func router() throws {
        let network = try Self.released[1].network()
        _ = try write(network)
        try convert(.robustmoe, .robustMoECNN, "own", "released")
        try rewrite("released", as: "without") { tensors in
            for name in tensors.keys where name.contains("router.") { tensors[name] = nil }
        }
        #expect(try SafetensorsFile.read(scratch("without")).count == 128)
        let lines = try convert(.robustMoECNN, .robustmoe, "without", "back")
        #expect(lines.contains { $0.contains("found no router") })
        let (own, back) = (try SafetensorsFile.read(scratch("own")), try SafetensorsFile.read(scratch("back")))
        #expect(Set(own.keys) == Set(back.keys))
        for (name, tensor) in own where !name.hasPrefix("router.") { #expect(back[name] == tensor, "\(name)") }

        let name = "layer3.1.conv1.router.layer2.0.conv2.weight"
        try rewrite("released", as: "split") { tensors in
            guard let tensor = tensors[name], case .float(var values) = tensor.values else { return }
            values[5] += 1
            tensors[name] = NamedTensor(name: name, shape: tensor.shape, values: .float(values))
        }
        let error = try #require(throws: (any Error).self) { try convert(.robustMoECNN, .robustmoe, "split", "no") }
        #expect(
            Files.ExitStatus(error) == .checkpoint
                && "\(error)".contains("\(name) differs from router.layer2.0.conv2.weight"))
        #expect(!scratch.exists("no"))
    }

    @Test("networks that a layout has no names for are refused")
    func refusals() throws {
        func expect(_ settings: [String], _ layout: CheckpointLayout, _ phrase: String) throws {
            _ = try write(try ConversionSubject("", settings + ["model.width=8"], has: []).network())
            let error = try #require(throws: (any Error).self) { try convert(.robustmoe, layout, "own", "no") }
            #expect(Files.ExitStatus(error) == .checkpoint && "\(error)".contains(phrase), "\(error)")
            #expect(!scratch.exists("no"))
        }
        try expect(["model.architecture=vgg16"], .torchvision, "has ResNets alone, found vgg16")
        try expect(Self.image, .torchvision, "has no mixtures of experts, found 2 channel experts")
        try expect(Self.image, .robustSparseMoEs, "has no channel experts")
        try expect(Self.channel, .robustMoECNN, "has one router on the image, found one a layer")
        try expect(["moe.kind=conv"], .robustMoECNN, "has no conv experts")
    }

    @Test("a released file evaluates as our own does, without normalisation; without a router only on routes given")
    func evaluation() throws {
        let settings = Self.released[1].settings + ["model.normalize=none"]
        let network = try ConversionSubject("", settings, has: []).network(traits: DatasetName.synthetic.traits)
        // Such that images differ in what they lead to.
        HashedValues(salt: "released").fill(network.parameters, gain: 0.85, routerGain: 4)
        _ = try write(network)
        try convert(.robustmoe, .robustMoECNN, "own", "released")
        try rewrite("released", as: "without") { tensors in
            for name in tensors.keys where name.contains("router.") { tensors[name] = nil }
        }
        func rows(_ name: String, _ layout: CheckpointLayout, _ more: [String] = []) throws -> String {
            let session = EvaluationSession(
                checkpoint: scratch(name), layout: layout, configFiles: [], output: scratch("results"), force: true,
                settings: [
                    "data.dataset=synthetic", "data.train_samples=8", "data.test_samples=8", "evaluation.chunk=8",
                    "attack.steps=1", "distributed.threads=1",
                ] + more)
            #expect(try session.run(try session.prepare(), SoloCommunicator()) == .done)
            // The run's id, which is the file's hash, stands in every row's second column.
            return try scratch.text("results/per_sample.csv").split(separator: "\n")
                .map { $0.split(separator: ",", omittingEmptySubsequences: false).dropFirst(2).joined(separator: ",") }
                .joined(separator: "\n")
        }
        let known = try rows("own", .robustmoe, ["model.normalize=none"])
        #expect(try rows("released", .robustMoECNN, ["model.normalize=none"]) == known)
        let fixed = ["moe.routes=1", "model.normalize=none"]
        #expect(try rows("without", .robustMoECNN, fixed) == rows("own", .robustmoe, fixed))
        let error = try #require(throws: (any Error).self) {
            try rows("without", .robustMoECNN, ["model.normalize=none"])
        }
        let untold = try #require(throws: (any Error).self) { try rows("released", .robustMoECNN) }
        #expect("\(untold)".contains("does not store what images are normalized by; expected model.normalize=none"))
        #expect("\(error)".contains("holds no router; expected one, or moe.routes uniform"))
    }
}
