import Tensors
import Testing

@testable import Networks

/// Parameters, names and costs of whole networks, without memory for their weights.
@Suite("Architectures")
struct ArchitectureTests {
    static func settings(_ name: String, ratio: Double = 1, classes: Int = 10, side: Int = 32) -> NetworkSettings {
        let (architecture, blocks, width): (NetworkSettings.Architecture, [Int], Int) =
            switch name {
            case "wrn-28-10": (.wideResNet(widening: 10), [4, 4, 4], 160)
            case "wrn-16-4": (.wideResNet(widening: 4), [2, 2, 2], 64)
            case "vgg16": (.vgg, [2, 2, 3, 3, 3], 64)
            case "densenet40": (.denseNet, [6, 6, 6], 24)
            case "preact-resnet18": (.preactivationResNet, [2, 2, 2, 2], 64)
            default: (.resNet(.basic), [2, 2, 2, 2], 64)
            }
        return NetworkSettings(
            architecture, blocks: blocks, stem: side == 224 ? .imagenet : .cifar, width: width, ratio: ratio,
            channels: 3, imageSize: MapSize(height: side, width: side), classes: classes, mean: [0, 0, 0],
            deviation: [1, 1, 1])
    }

    private func slots(_ settings: NetworkSettings) throws -> [Slot] { try Network.slots(settings) }

    private func count(_ settings: NetworkSettings) throws -> Int {
        try slots(settings).filter { !$0.isStatistic }.reduce(0) { $0 + $1.count }
    }

    /// Counted on the published definitions; ResNet-18 at r = 0.5 as the released code has it.
    @Test(
        "networks have the parameters of their published definitions, at every ratio",
        arguments: [
            ("wrn-28-10", 1, 36_479_194), ("wrn-28-10", 0.5, 9_126_002), ("wrn-28-10", 0.2, 1_463_073),
            ("wrn-16-4", 1, 2_748_890), ("vgg16", 1, 15_311_818), ("vgg16", 0.5, 4_013_034), ("vgg16", 0.2, 757_980),
            ("densenet40", 1, 176_122), ("densenet40", 0.5, 45_802), ("densenet40", 0.2, 5_882),
            ("preact-resnet18", 1, 11_172_170), ("preact-resnet18", 0.2, 443_862), ("resnet18", 1, 11_173_962),
            ("resnet18", 0.5, 2_797_610), ("resnet18", 0.2, 444_218),
        ])
    func parameterCounts(_ name: String, _ ratio: Double, _ parameters: Int) throws {
        #expect(try count(Self.settings(name, ratio: ratio)) == parameters)
    }

    @Test("those for ImageNet too", arguments: [("wrn-28-10", 37_115_736), ("densenet40", 310_720)])
    func imageNetCounts(_ name: String, _ parameters: Int) throws {
        #expect(try count(Self.settings(name, classes: 1000, side: 224)) == parameters)
    }

    /// The rows that AdvMoE's comparison counts in GFLOPs, in multiply-adds, dense and small-dense at r = 0.5.
    @Test(
        "multiply-adds of an image",
        arguments: [
            ("resnet18", 32, 10, 555_422_720, 139_299_328), ("wrn-28-10", 32, 10, 5_243_328_768, 1_310_944_384),
            ("vgg16", 32, 10, 313_788_928, 79_071_744), ("densenet40", 32, 10, 72_365_352, 18_257_556),
            ("preact-resnet18", 32, 10, 555_422_720, 139_299_328),
            ("resnet18", 64, 200, 2_221_772_800, 557_238_272), ("wrn-28-10", 64, 200, 20_973_417_472, 5_243_828_736),
            ("resnet18", 224, 1000, 1_814_073_344, 483_149_824),
            ("wrn-28-10", 224, 1000, 16_086_463_488, 4_029_151_744),
        ])
    func multiplyAdds(_ name: String, _ side: Int, _ classes: Int, _ dense: Int, _ half: Int) throws {
        for (ratio, known) in [(1.0, dense), (0.5, half)] {
            let settings = Self.settings(name, ratio: ratio, classes: classes, side: side)
            let cost = try Network.cost(settings, imageSize: MapSize(height: side, width: side))
            #expect(cost.path == known && cost.allExperts == known && cost.routers == 0)
            #expect(cost.layers.allSatisfy { $0.multiplyAdds > 0 && $0.owner == nil })
        }
    }

    @Test("experts and routers are counted apart, and as many experts as an image goes to")
    func mixtureCost() throws {
        var settings = Self.settings("resnet18")
        settings.mixture = MixtureSettings(
            kind: .conv, placement: Placement(["layer4.1"]), includesDownsample: true,
            router: RouterSettings(
                experts: 4, gate: GateCase.renormalised.gate, balance: .none, balanceWeight: 0))
        let cost = try #require(try Network(settings, registering: Parameters()).cost)
        // Two convolutions of 512 to 512 channels on a 4×4 map, each with a linear router.
        let layer = 9 * 512 * 512 * 16
        #expect(cost.shared == 555_422_720 - 2 * layer)
        #expect(cost.path == cost.shared + 2 * 2 * layer)
        #expect(cost.allExperts == cost.shared + 2 * 4 * layer)
        #expect(cost.routers == 2 * 512 * 4)
        #expect(
            cost.layers.filter { $0.owner?.layer == "layer4.1.conv2" }.map(\.multiplyAdds) == [
                layer, layer, layer, layer,
            ])
        // A block's experts are counted whole.
        settings.mixture?.kind = .block
        let blocks = try #require(try Network(settings, registering: Parameters()).cost)
        #expect(blocks.path == blocks.shared + 2 * 2 * layer && blocks.routers == 512 * 4)
        // Of convolutions that are averaged, what is left once the averaging is done first.
        let map = MapSize(height: 4, width: 4)
        func multiplyAdds(_ kind: RouterKind) -> Int {
            kind.network("moe", inputs: 16, experts: 4, Parameters()).multiplyAdds(map)
        }
        #expect(multiplyAdds(.convGap(kernel: 3)) == 9 * 16 * 4)
        #expect(multiplyAdds(.doubleConvGap(kernel: 1)) == 16 * 16 * 8 + 8 * 4)
        #expect(multiplyAdds(.random) == 0)
    }

    private func layers(_ settings: NetworkSettings) throws -> [String] {
        try slots(settings).filter { $0.name.hasSuffix(".weight") }.map { "\($0.name.dropLast(7)) \($0.layout.shape)" }
    }

    @Test("wide ResNets have their authors' names, in their order")
    func wideNames() throws {
        let names = try layers(Self.settings("wrn-28-10"))
        #expect(
            names.prefix(9) == [
                "conv1 [16, 3, 3, 3]", "block1.layer.0.bn1 [16]", "block1.layer.0.conv1 [160, 16, 3, 3]",
                "block1.layer.0.bn2 [160]", "block1.layer.0.conv2 [160, 160, 3, 3]",
                "block1.layer.0.convShortcut [160, 16, 1, 1]", "block1.layer.1.bn1 [160]",
                "block1.layer.1.conv1 [160, 160, 3, 3]", "block1.layer.1.bn2 [160]",
            ])
        #expect(names.suffix(2) == ["bn1 [640]", "fc [10, 640]"])
        #expect(try layers(Self.settings("wrn-28-10", side: 224)).prefix(2) == ["conv1 [16, 3, 7, 7]", "bn0 [16]"])
        let small = try layers(Self.settings("wrn-28-10", ratio: 0.2))
        #expect(small[0] == "conv1 [3, 3, 3, 3]" && small.last == "fc [10, 128]")
    }

    @Test("the other architectures have torchvision's names")
    func otherNames() throws {
        let vgg = try layers(Self.settings("vgg16", ratio: 0.2))
        #expect(vgg.prefix(3) == ["features.0 [12, 3, 3, 3]", "features.1 [12]", "features.3 [12, 12, 3, 3]"])
        #expect(vgg.filter { $0.hasPrefix("features.34") } == ["features.34 [102, 102, 3, 3]"])
        #expect(
            vgg.suffix(4) == [
                "features.41 [102]", "classifier.0 [256, 408]", "classifier.2 [256, 256]", "classifier.4 [10, 256]",
            ])
        let dense = try layers(Self.settings("densenet40", ratio: 0.8, side: 224))
        #expect(
            dense.prefix(6) == [
                "features.conv0 [19, 3, 7, 7]", "features.norm0 [19]", "features.denseblock1.denselayer1.norm1 [19]",
                "features.denseblock1.denselayer1.conv1 [36, 19, 1, 1]", "features.denseblock1.denselayer1.norm2 [36]",
                "features.denseblock1.denselayer1.conv2 [9, 36, 3, 3]",
            ])
        // 19 channels and six times 9 make 73, of which 36 are left.
        #expect(dense.contains("features.transition1.conv [36, 73, 1, 1]"))
        #expect(dense.suffix(2) == ["features.norm_final [99]", "classifier [10, 99]"])
        let preact = try layers(Self.settings("preact-resnet18"))
        #expect(
            preact.prefix(3) == ["conv1 [64, 3, 3, 3]", "layer1.0.bn1 [64]", "layer1.0.conv1 [64, 64, 3, 3]"])
        #expect(preact.contains("layer2.0.downsample.0 [128, 64, 1, 1]") && !preact.contains("bn0 [64]"))
        #expect(preact.suffix(2) == ["bn1 [512]", "fc [10, 512]"])
    }

    @Test("batch norms that a block skips are kept, and not trained")
    func skippedNorms() throws {
        var settings = Self.settings("wrn-16-4")
        let trained = try slots(settings)
        settings.skipsFirstActivation = true
        let skipping = try slots(settings)
        #expect(skipping.map(\.name) == trained.map(\.name))
        let untrained = zip(skipping, trained).filter { $0.isStatistic != $1.isStatistic }.map(\.0.name)
        #expect(
            untrained == (1...3).flatMap { ["block\($0).layer.0.bn1.weight", "block\($0).layer.0.bn1.bias"] })
    }

    @Test("initial weights are each code's own")
    func initialization() throws {
        func deviations(_ name: String) throws -> (String) throws -> Double {
            let network = try Network(Self.settings(name), seed: 3)
            return { name in
                let slot = try #require(network.parameters.slots.first { $0.name == name })
                let values = network.parameters.values(of: slot)
                return (values.reduce(0) { $0 + Double($1) * Double($1) } / Double(values.count)).squareRoot()
            }
        }
        // Five standard errors or more of these sample deviations.
        let wide = try deviations("wrn-16-4")
        #expect(abs(try wide("block3.layer.1.conv1.weight") / (2.0 / (9 * 256)).squareRoot() - 1) < 0.02)
        #expect(try wide("fc.bias") == 0)
        #expect(abs(try wide("fc.weight") / (1 / (3.0 * 256)).squareRoot() - 1) < 0.05)
        let vgg = try deviations("vgg16")
        #expect(abs(try vgg("features.40.weight") / (2.0 / (9 * 512)).squareRoot() - 1) < 0.02)
        #expect(abs(try vgg("classifier.0.weight") / 0.01 - 1) < 0.02)
        #expect(try vgg("classifier.2.bias") == 0)
        let dense = try deviations("densenet40")
        #expect(abs(try dense("features.denseblock2.denselayer3.conv1.weight") / (2.0 / 48).squareRoot() - 1) < 0.07)
        #expect(try dense("classifier.bias") == 0)
    }

    @Test("published codes' initial weights: AdvMoE's linear layers, the replaced first convolution of Robust Experts")
    func publishedInitialization() throws {
        func values(_ change: (inout NetworkSettings) -> Void, _ name: String) throws -> [String: [Float]] {
            var settings = Self.settings(name)
            change(&settings)
            let network = try Network(settings, seed: 3)
            return Dictionary(
                uniqueKeysWithValues: network.parameters.slots.map {
                    ($0.name, Array(network.parameters.values(of: $0)))
                })
        }
        func deviation(_ values: [Float]?) -> Double {
            let values = values ?? []
            return (values.reduce(0) { $0 + Double($1) * Double($1) } / Double(values.count)).squareRoot()
        }
        for (name, classifier) in [("resnet18", "fc"), ("wrn-16-4", "fc"), ("densenet40", "classifier")] {
            let (plain, advmoe) = (try values({ _ in }, name), try values({ $0.initialization = .advmoe }, name))
            let changed = plain.keys.filter { plain[$0] != advmoe[$0] }
            #expect(Set(changed).isSubset(of: ["\(classifier).weight", "\(classifier).bias"]), "\(changed)")
            #expect(abs(deviation(advmoe["\(classifier).weight"]) / 0.01 - 1) < 0.1)
            #expect(advmoe["\(classifier).bias"]?.allSatisfy { $0 == 0 } == true)
        }
        let plain = try values({ _ in }, "resnet18")
        let theirs = try values({ $0.initialization = .robustSparseMoEs }, "resnet18")
        #expect(plain.keys.filter { plain[$0] != theirs[$0] } == ["conv1.weight"])
        let bound = 1 / Float(27).squareRoot()
        let stem = try #require(theirs["conv1.weight"])
        #expect(stem.allSatisfy { abs($0) <= bound } && stem.contains { abs($0) > 0.98 * bound })
        // torchvision's own first convolution is drawn as torchvision does.
        func large(_ settings: inout NetworkSettings) {
            settings.stem = .imagenet
            settings.imageSize = MapSize(height: 64, width: 64)
        }
        #expect(
            try values(large, "resnet18")
                == values(
                    {
                        large(&$0)
                        $0.initialization = .robustSparseMoEs
                    }, "resnet18"))
    }

    @Test("what cannot be built is named with what was expected")
    func errors() throws {
        func message(_ change: (inout NetworkSettings) -> Void, _ name: String) -> String {
            var settings = Self.settings(name)
            change(&settings)
            do {
                _ = try Network(settings, registering: Parameters())
                return "built"
            } catch {
                return "\(error)"
            }
        }
        func small(_ side: Int) -> (inout NetworkSettings) -> Void {
            { $0.imageSize = MapSize(height: side, width: side) }
        }
        #expect(message(small(15), "vgg16").contains("images of 15x15 pixels are too small"))
        #expect(message(small(15), "vgg16").contains("features.33 pools a map of 1x1"))
        #expect(message(small(16), "vgg16") == "built")
        #expect(message(small(3), "densenet40").contains("features.transition2.pool pools a map of 1x1"))
        #expect(message(small(4), "densenet40") == "built")
        #expect(message(small(1), "wrn-16-4") == "built")
        #expect(message({ $0.ratio = 0.05 }, "densenet40").contains("model.ratio 0.05"))
        #expect(message({ $0.ratio = 0.01 }, "resnet18").contains("leaves conv1 without a channel"))
        #expect(message({ $0.width = 12 }, "wrn-28-10").contains("expected a multiple of 10"))
        #expect(message({ $0.width = 7 }, "densenet40").contains("expected an even number"))
        #expect(message({ $0.stem = .imagenet }, "vgg16").contains("expected cifar"))
        func mixture(_ kind: ExpertKind, _ path: String) -> (inout NetworkSettings) -> Void {
            {
                $0.mixture = MixtureSettings(
                    kind: kind, placement: Placement([path]), includesDownsample: true,
                    router: RouterSettings(
                        experts: 2, gate: GateCase.straightThrough.gate, balance: .none, balanceWeight: 0))
            }
        }
        #expect(message(mixture(.block, "features"), "vgg16").hasSuffix("matches no residual block; there are: none"))
        #expect(message(mixture(.conv, "layer4"), "wrn-16-4").contains("there are: conv1, block1.layer.0.conv1,"))
    }

    @Test(
        "every convolution may become a mixture, and every residual block", arguments: ["wrn-16-4", "preact-resnet18"])
    func candidates(_ name: String) throws {
        var settings = Self.settings(name)
        func layers(_ kind: ExpertKind, _ path: String, downsample: Bool = true) throws -> [String] {
            settings.mixture = MixtureSettings(
                kind: kind, placement: Placement([path]), includesDownsample: downsample,
                router: RouterSettings(
                    experts: 2, gate: GateCase.straightThrough.gate, balance: .none, balanceWeight: 0))
            return try Network(settings, registering: Parameters()).mixtureLayers
        }
        let (block, shortcut) =
            name == "wrn-16-4" ? ("block3.layer.0", "convShortcut") : ("layer4.0", "downsample.0")
        let convolutions = ["\(block).conv1", "\(block).conv2"]
        #expect(try layers(.conv, block) == convolutions + ["\(block).\(shortcut)"])
        #expect(try layers(.conv, block, downsample: false) == convolutions)
        #expect(try layers(.block, block) == [block])
        #expect(try layers(.conv, "conv1") == ["conv1"])
    }
}
