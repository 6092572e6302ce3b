import Tensors
import TestSupport
import Testing

@testable import Networks

@Suite("Residual networks")
struct ResNetTests {
    private func settings(_ blocks: [Int], _ mixture: MixtureSettings? = nil, width: Int = 64) -> NetworkSettings {
        NetworkSettings(
            blocks: blocks, width: width, channels: 3, classes: 10, mean: [0, 0, 0], deviation: [1, 1, 1],
            mixture: mixture)
    }

    private func mixture(
        _ kind: ExpertKind, _ paths: [String], downsample: Bool = true
    ) -> MixtureSettings {
        MixtureSettings(
            kind: kind, placement: Placement(paths), includesDownsample: downsample,
            router: RouterSettings(
                experts: 4, gate: GateCase.straightThrough.gate, balance: .entropy, balanceWeight: 0.5))
    }

    @Test(
        "ResNet-18 and ResNet-34 with the CIFAR stem have their known number of parameters",
        arguments: [([2, 2, 2, 2], 11_173_962), ([3, 4, 6, 3], 21_282_122)])
    func parameterCounts(_ blocks: [Int], _ count: Int) throws {
        #expect(try Network(settings(blocks), seed: 1).parameters.trainableCount == count)
    }

    /// torchvision's counts for ImageNet, and those of the reference (robust-sparse-moes, section 7).
    @Test(
        "networks have their known numbers of parameters and slots",
        arguments: [
            ("resnet18", 1000, nil, 11_689_512, 122), ("resnet34", 1000, nil, 21_797_672, 218),
            ("resnet50", 1000, nil, 25_557_032, 320), ("resnet101", 1000, nil, 44_549_160, 626),
            ("wrn-50-2", 1000, nil, 68_883_240, 320), ("wrn-101-2", 1000, nil, 126_886_696, 626),
            ("resnet50 cifar", 100, nil, 23_705_252, 320), ("wrn-50-2 cifar", 100, nil, 67_031_460, 320),
            ("resnet18 cifar", 100, .conv, 36_394_168, 147), ("resnet18 cifar", 100, .block, 36_404_396, 216),
            ("resnet50 cifar", 100, .conv, 68_568_780, 370), ("resnet50 cifar", 100, .block, 68_619_952, 506),
        ] as [(String, Int, ExpertKind?, Int, Int)])
    func knownCounts(_ name: String, _ classes: Int, _ kind: ExpertKind?, _ count: Int, _ slots: Int) throws {
        let blocks = name.contains("18") ? [2, 2, 2, 2] : name.contains("101") ? [3, 4, 23, 3] : [3, 4, 6, 3]
        let isBasic = name.contains("18") || name.contains("34")
        let settings = NetworkSettings(
            .resNet(isBasic ? .basic : .bottleneck(widening: name.hasPrefix("wrn") ? 2 : 1)), blocks: blocks,
            stem: name.hasSuffix("cifar") ? .cifar : .imagenet, channels: 3, classes: classes, mean: [0, 0, 0],
            deviation: [1, 1, 1], mixture: kind.map { mixture($0, ["layer4"]) })
        let parameters = Parameters()
        _ = try Network(settings, registering: parameters)
        #expect(parameters.trainableCount == count)
        #expect(parameters.slots.count == slots)
    }

    @Test("blocks of bottlenecks keep torchvision's order, and mixtures stand in them too")
    func bottleneckNames() throws {
        func network(_ mixture: MixtureSettings?) throws -> (layers: [String], names: [String]) {
            let settings = NetworkSettings(
                .resNet(.bottleneck(widening: 1)), blocks: [1, 2], width: 8, channels: 1, classes: 10, mean: [0],
                deviation: [1], mixture: mixture)
            let parameters = Parameters()
            let network = try Network(settings, registering: parameters)
            return (network.mixtureLayers, parameters.slots.map { "\($0.name) \($0.layout.shape)" })
        }
        let names = try network(nil).names.filter { $0.hasPrefix("layer2.0") && $0.contains("weight ") }
        #expect(
            names == [
                "layer2.0.conv1.weight [16, 32, 1, 1]", "layer2.0.bn1.weight [16]",
                "layer2.0.conv2.weight [16, 16, 3, 3]", "layer2.0.bn2.weight [16]",
                "layer2.0.conv3.weight [64, 16, 1, 1]", "layer2.0.bn3.weight [64]",
                "layer2.0.downsample.0.weight [64, 32, 1, 1]", "layer2.0.downsample.1.weight [64]",
            ])
        let convolutions = (0..<2).flatMap { block in
            (1...3).map { "layer2.\(block).conv\($0)" } + (block == 0 ? ["layer2.0.downsample.0"] : [])
        }
        #expect(try network(mixture(.conv, ["layer2"])).layers == convolutions)
        #expect(
            try network(mixture(.conv, ["layer2"], downsample: false)).layers
                == convolutions.filter { !$0.contains("downsample") })
        #expect(try network(mixture(.block, ["layer2"])).layers == ["layer2.0", "layer2.1"])
        #expect(
            try network(mixture(.conv, ["layer1.*.conv3"])).names.contains(
                "layer1.0.conv3.experts.3.weight [32, 8, 1, 1]"))
    }

    @Test("no gradient of the images is made where none is wanted, whatever the stem", arguments: [false, true])
    func unwantedInput(_ isMixture: Bool) throws {
        let network = try Network(settings([1], isMixture ? mixture(.conv, ["conv1"]) : nil, width: 8), seed: 1)
        let workspace = Workspace()
        let images = HashedValues(salt: "stem").images(workspace, 3, channels: 3, height: 8, width: 8)
        let pass = Pass(
            parameters: network.parameters, workspace: workspace, filters: FilterCache(capacityMegabytes: 8),
            normalization: .running)
        let (logits, tape) = try network.forward([images], pass)
        let gradients = [Gradients(network.parameters), Gradients(network.parameters)]
        #expect(try network.backward(logits, tape, pass, into: gradients[0].unbalanced, wantsInput: false).isEmpty)
        #expect(try network.backward(logits, tape, pass, into: gradients[1].unbalanced, wantsInput: true).count == 1)
        #expect(Array(gradients[0].arenas[0]) == Array(gradients[1].arenas[0]))
    }

    @Test("slots carry torchvision's names in torchvision's order")
    func names() throws {
        let names = try Network(settings([2, 2, 2, 2], width: 16), seed: 1).parameters.slots.map(\.name)
        #expect(
            names.prefix(18) == [
                "conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var",
                "bn1.num_batches_tracked", "layer1.0.conv1.weight", "layer1.0.bn1.weight", "layer1.0.bn1.bias",
                "layer1.0.bn1.running_mean", "layer1.0.bn1.running_var", "layer1.0.bn1.num_batches_tracked",
                "layer1.0.conv2.weight", "layer1.0.bn2.weight", "layer1.0.bn2.bias", "layer1.0.bn2.running_mean",
                "layer1.0.bn2.running_var", "layer1.0.bn2.num_batches_tracked",
            ])
        #expect(names.suffix(2) == ["fc.weight", "fc.bias"])
        #expect(names.contains("layer2.0.downsample.1.running_var") && !names.contains("layer2.1.downsample.0.weight"))
        #expect(names.count == 122)
    }

    @Test("convolutions are drawn He-normal over fan-out, experts over fan-in, linear layers uniform over fan-in")
    func initialization() throws {
        let network = try Network(settings([2, 2, 2, 2], mixture(.conv, ["layer4"])), seed: 5)
        func deviation(_ name: String) throws -> Double {
            let slot = try #require(network.parameters.slots.first { $0.name == name })
            let values = network.parameters.values(of: slot)
            return (values.reduce(0) { $0 + Double($1) * Double($1) } / Double(values.count)).squareRoot()
        }
        // 2% is six standard errors or more of these sample deviations.
        #expect(abs(try deviation("layer3.0.conv1.weight") / (2.0 / (9 * 256)).squareRoot() - 1) < 0.02)
        #expect(abs(try deviation("layer4.0.conv1.experts.2.weight") / (2.0 / (9 * 256)).squareRoot() - 1) < 0.02)
        #expect(abs(try deviation("layer4.0.downsample.0.experts.0.weight") / (2.0 / 256).squareRoot() - 1) < 0.02)
        #expect(abs(try deviation("fc.weight") / (1 / (3.0 * 512)).squareRoot() - 1) < 0.05)
        #expect(abs(try deviation("layer4.1.conv1.router.weight") / (1 / (3.0 * 512)).squareRoot() - 1) < 0.08)
        #expect(try deviation("bn1.weight") == 1 && deviation("bn1.bias") == 0)
        let other = try Network(settings([2, 2, 2, 2], mixture(.conv, ["layer4"])), seed: 6)
        #expect(Array(other.parameters.values) != Array(network.parameters.values))
    }

    @Test("placements match whole components, and what lies below")
    func placement() {
        #expect(Placement(["layer3.1"]).covers("layer3.1.conv2"))
        #expect(!Placement(["layer3.1"]).covers("layer3.10.conv2"))
        #expect(Placement(["layer4.*.conv2"]).covers("layer4.1.conv2"))
        #expect(!Placement(["layer4.*.conv2"]).covers("layer4.1.conv1"))
        #expect(!Placement(["layer4.0.conv1"]).covers("layer4.0"))
        #expect(Placement(["layer1", "layer4"]).covers("layer4"))
    }

    @Test("mixtures stand where the placement says")
    func mixtureLayers() throws {
        func layers(_ mixture: MixtureSettings) throws -> [String] {
            try Network(settings([1, 1, 1, 2], mixture, width: 8), seed: 1).mixtureLayers
        }
        #expect(
            try layers(mixture(.conv, ["layer4"])) == [
                "layer4.0.conv1", "layer4.0.conv2", "layer4.0.downsample.0", "layer4.1.conv1", "layer4.1.conv2",
            ])
        #expect(
            try layers(mixture(.conv, ["layer4.0"], downsample: false)) == ["layer4.0.conv1", "layer4.0.conv2"])
        #expect(try layers(mixture(.conv, ["conv1", "layer4.1.conv2"])) == ["conv1", "layer4.1.conv2"])
        #expect(try layers(mixture(.block, ["layer3", "layer4.1"])) == ["layer3.0", "layer4.1"])
    }

    @Test("a placement that matches nothing is an error that names it and what there is")
    func wrongPlacement() {
        for (kind, path) in [(ExpertKind.conv, "layer5"), (.block, "layer4.0.conv1"), (.block, "conv1")] {
            do {
                _ = try Network(settings([1, 1, 1, 1], mixture(kind, ["layer4", path]), width: 8), seed: 1)
                Issue.record("\(path) was accepted")
            } catch {
                #expect("\(error)".contains("\"\(path)\"") && "\(error)".contains("layer4.0"))
            }
        }
    }

    @Test("a value that is not finite is reported with its layer")
    func notFinite() throws {
        let subject = try TestNetwork(.dense)
        let slot = try #require(subject.parameters.slots.first { $0.name == "layer2.0.conv2.weight" })
        subject.parameters.update { $0.values(of: slot)[3] = .nan }
        for folds in [false, true] {
            var pass = subject.pass(.running, folds: folds)
            pass.checksValues = true
            do {
                _ = try subject.network.forward([subject.images], pass)
                Issue.record("the NaN went unnoticed")
            } catch NetworkError.notFinite(let part, let value) {
                #expect(part == "layer layer2.0.conv2")
                #expect(value.isNaN)
            }
        }
    }

    @Test(
        "attack passes change parameters and running statistics in no bit",
        arguments: [NetworkCase.dense] + NetworkCase.mixtures + NetworkCase.architectures, [false, true])
    func attackPassesWriteNothing(_ test: NetworkCase, _ folds: Bool) throws {
        let subject = try TestNetwork(test, width: 16)
        subject.arithmetic = .fast
        let parameters = subject.parameters.values.map(\.bitPattern)
        let statistics = subject.parameters.statistics.map(\.bitPattern)
        let version = subject.parameters.version
        let x = subject.shards([3, 4])
        let clean = try subject.inputGradient(x, subject.pass(.running, folds: folds))
        for _ in 0..<3 {
            let (_, gradient) = try subject.inputGradient(x, subject.pass(.running, folds: folds))
            for (image, g) in zip(x, gradient) {
                for index in 0..<image.count { image.pointer[index] += g.pointer[index] > 0 ? 0.01 : -0.01 }
            }
        }
        #expect(subject.parameters.values.map(\.bitPattern) == parameters)
        #expect(subject.parameters.statistics.map(\.bitPattern) == statistics)
        #expect(subject.parameters.version == version)
        // The steps did ascend, so the passes were real ones.
        func loss(_ logits: [Tensor]) -> Double {
            zip(logits, subject.ranges([3, 4])).reduce(0) {
                $0 + CrossEntropy.evaluate($1.0, Array(subject.labels[$1.1]), divisor: 1).losses.reduce(0, +)
            }
        }
        #expect(try loss(subject.inputGradient(x, subject.pass(.running, folds: folds)).logits) > loss(clean.logits))
        // A training pass is what moves statistics.
        _ = try subject.forward(x, subject.pass(.local))
        #expect(subject.parameters.statistics.map(\.bitPattern) != statistics)
        #expect(subject.parameters.values.map(\.bitPattern) == parameters)
    }

    @Test(
        "a steady-state step takes no memory from the system",
        // Running statistics move, and with them the routes of most mixtures and the sizes of experts' batches.
        arguments: [NetworkCase.dense, NetworkCase.mixtures[1]] + NetworkCase.architectures.filter { $0.kind == nil })
    func steadyState(_ test: NetworkCase) throws {
        let subject = try TestNetwork(test, width: 16)
        subject.arithmetic = .fast
        let gradients = Gradients(subject.parameters)
        func step() throws {
            _ = try subject.inputGradient([subject.images], subject.pass(.running, folds: true))
            let outcome = try subject.forward([subject.images], subject.pass(.local))
            _ = try subject.network.backward(
                outcome.dLogits, outcome.tape, subject.pass(.local),
                into: GradientAccumulator(gradients, outcome.settled.balance), wantsInput: false)
        }
        try step()
        try step()
        let reserved = subject.workspace.reservedBytes
        for _ in 0..<3 { try step() }
        #expect(subject.workspace.reservedBytes == reserved)
        #expect(subject.workspace.peakBytes <= reserved)
    }
}
