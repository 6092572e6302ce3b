import Tensors
import TestSupport
import Testing

@testable import Networks

/// What a small network under test is made of.
struct NetworkCase: CustomTestStringConvertible, Sendable {
    var kind: ExpertKind?
    var gate = GateCase.straightThrough
    var loss = BalanceLoss.none
    var isGlobal = true
    var router = RouterKind.gapLinear
    var varianceWeight = 0.0
    var architecture = NetworkSettings.Architecture.resNet(.basic)
    var stem = NetworkSettings.Stem.cifar
    /// Of each stage; nil leaves it to the test.
    var blocks: [Int]?
    var skipsFirstActivation = false

    var testDescription: String {
        let shape =
            (architecture == .resNet(.basic) ? [] : ["\(architecture)"]) + (stem == .cifar ? [] : ["\(stem) stem"])
            + (skipsFirstActivation ? ["skipping activations"] : [])
        let variance = varianceWeight > 0 ? " variance \(varianceWeight)" : ""
        let mixture = kind.map {
            "\($0) \(gate.testDescription) \(loss)\(isGlobal ? "" : " local") \(router)\(variance)"
        }
        return ([mixture ?? "dense"] + shape).joined(separator: " ")
    }

    /// Bottlenecks, the ImageNet stem, other routers, the variance of outputs: each once.
    static let others = [
        NetworkCase(kind: nil, architecture: .resNet(.bottleneck(widening: 1)), stem: .imagenet),
        NetworkCase(
            kind: .conv, gate: .renormalised, loss: .columnEntropy, router: .convGap(kernel: 1), varianceWeight: 0.3,
            architecture: .resNet(.bottleneck(widening: 2))),
        NetworkCase(
            kind: .block, gate: .renormalised, loss: .variance, router: .doubleConvGap(kernel: 1), varianceWeight: 0.3,
            architecture: .resNet(.bottleneck(widening: 1)), stem: .imagenet),
    ]

    /// Architectures beside the ResNets, dense and with mixtures of both kinds.
    static let architectures = [
        NetworkCase(kind: nil, architecture: .wideResNet(widening: 2), stem: .imagenet),
        NetworkCase(kind: nil, architecture: .wideResNet(widening: 2), skipsFirstActivation: true),
        NetworkCase(kind: .conv, gate: .renormalised, loss: .entropy, architecture: .wideResNet(widening: 2)),
        NetworkCase(kind: .block, gate: .renormalised, loss: .entropy, architecture: .wideResNet(widening: 1)),
        NetworkCase(
            kind: .block, gate: .renormalised, loss: .switchLoss, architecture: .wideResNet(widening: 2),
            skipsFirstActivation: true),
        NetworkCase(kind: nil, architecture: .preactivationResNet, stem: .imagenet),
        NetworkCase(kind: nil, architecture: .vgg),
        NetworkCase(kind: .conv, gate: .renormalised, loss: .entropy, architecture: .vgg),
        NetworkCase(kind: nil, architecture: .denseNet, stem: .imagenet),
        NetworkCase(kind: .conv, gate: .renormalised, loss: .entropy, architecture: .denseNet, blocks: [1, 2]),
    ]

    /// The paths of the last of these stages.
    func lastStage(_ blocks: [Int]) -> [String] {
        switch architecture {
        case .resNet, .preactivationResNet: ["layer\(blocks.count)"]
        case .wideResNet: ["block\(blocks.count)"]
        case .denseNet: ["features.denseblock\(blocks.count)"]
        case .vgg:
            // Three numbers for each convolution, one for pooling between stages.
            (0..<blocks[blocks.count - 1]).map {
                "features.\(3 * (blocks.dropLast().reduce(0, +) + $0) + blocks.count - 1)"
            }
        }
    }

    static let dense = NetworkCase(kind: nil)
    /// conv and block, straight-through and renormalised.
    static let mixtures = ExpertKind.allCases.flatMap { kind in
        [GateCase.straightThrough, .renormalised].map { NetworkCase(kind: kind, gate: $0, loss: .entropy) }
    }
    /// The same with both balancing losses.
    static let balanced = mixtures + mixtures.map { NetworkCase(kind: $0.kind, gate: $0.gate, loss: .switchLoss) }
}

/// A small network, its batch, and everything that passes need.
final class TestNetwork {
    let network: Network
    let workspace: Workspace
    let filters = FilterCache(capacityMegabytes: 64)
    let images: Tensor
    let labels: [Int32]
    var arithmetic = Arithmetic.exact

    var parameters: Parameters { network.parameters }

    /// - Parameter shift: Added to the shifts of all batch norms; with 4, and factors of 0.7 to 1, no unit is near its kink.
    init(
        _ test: NetworkCase, blocks: [Int] = [1, 1], width: Int = 4, experts: Int = 3, images count: Int = 7,
        side: Int? = nil, shift: Float = 0, seed: UInt64 = 1, threads: Int = 1
    ) throws {
        let side = side ?? (test.stem == .imagenet ? 24 : 8)
        let blocks = test.blocks ?? blocks
        let mixture = test.kind.map { kind in
            MixtureSettings(
                kind: kind, placement: Placement(test.lastStage(blocks)), includesDownsample: true,
                router: RouterSettings(
                    kind: test.router, experts: experts, gate: test.gate.gate, balance: test.loss, balanceWeight: 0.5,
                    varianceWeight: test.varianceWeight, usesGlobalStatistics: test.isGlobal))
        }
        network = try Network(
            NetworkSettings(
                test.architecture, blocks: blocks, stem: test.stem, width: width, channels: 3, classes: 5,
                mean: [0.5, 0.4, 0.45], deviation: [0.25, 0.2, 0.3], mixture: mixture,
                skipsFirstActivation: test.skipsFirstActivation), seed: seed)
        workspace = Workspace(threads: threads)
        images = HashedValues(salt: "test").images(workspace, count, channels: 3, height: side, width: side)
        // Levels of their own, so that pooled features differ and routers can tell the images apart.
        let levels = HashedValues(salt: "test").uniforms("levels", 3 * count)
        for index in 0..<images.count {
            let level = levels[index / images.imageSize * 3 + index % 3]
            images.pointer[index] = 0.4 * images.pointer[index] + 0.6 * Float(level)
        }
        labels = (0..<Int32(count)).map { $0 * 3 % 5 }
        parameters.update { arenas in
            for slot in parameters.slots where slot.isNorm && slot.group == .backbone {
                var stream = RandomStream(seed: seed, purpose: .synthetic, index: slot.offset)
                let values = arenas.values(of: slot)
                for index in values.indices {
                    let u = stream.uniform()
                    if slot.isShift {
                        values[index] = shift + 0.4 * (u - 0.5)
                    } else if !slot.isStatistic {
                        values[index] = shift == 0 ? 0.8 + 0.4 * u : 0.7 + 0.3 * u
                    }
                }
            }
            spreadLinearLayers(shift, arenas)
        }
        try adoptStatistics()
        try spreadRoutes()
        // Statistics near the true ones, yet not equal to them.
        try adoptStatistics()
        parameters.update([]) { arenas in
            for slot in parameters.slots where slot.isStatistic && !slot.name.hasSuffix("tracked") {
                var stream = RandomStream(seed: seed, purpose: .synthetic, index: 1 << 20 + slot.offset)
                for index in slot.range {
                    let old = arenas.statistics[index]
                    arenas.statistics[index] =
                        slot.name.hasSuffix("var")
                        ? old * (0.8 + 0.4 * stream.uniform()) : old + 0.1 * (stream.uniform() - 0.5)
                }
            }
        }
    }

    func pass(
        _ normalization: Normalization, folds: Bool = false, routing: Routing = .learned(nil),
        samples: [[Int]] = [], _ record: PassRecord? = nil
    ) -> Pass {
        Pass(
            parameters: parameters, workspace: workspace, filters: filters, arithmetic: arithmetic,
            normalization: normalization, folds: folds, routing: routing, samples: samples, record: record)
    }

    private func adoptStatistics() throws {
        for _ in 0..<60 {
            let record = PassRecord()
            _ = try network.forward([images], pass(.synchronized, record))
            _ = try record.settle(extra: [[]], SoloStatistics(), parameters)
        }
    }

    /// Draws a classifier of several layers wider than its initialisation, which hardly carries a gradient, and with
    /// weights that add up to 0; with a shift its hidden units are all on.
    private func spreadLinearLayers(_ shift: Float, _ arenas: WritableParameters) {
        for slot in parameters.slots
        where slot.name.hasPrefix("classifier.") && slot.name.split(separator: ".").count > 2 {
            var stream = RandomStream(seed: 3, purpose: .synthetic, index: slot.offset)
            let values = arenas.values(of: slot)
            guard let outputs = slot.layout.shape.first, slot.layout.shape.count > 1 else {
                for index in values.indices { values[index] = slot.name.contains(".4.") ? 0 : 1.25 * shift }
                continue
            }
            for index in values.indices { values[index] = stream.normal() / 16 }
            for output in 0..<outputs {
                let places = stride(from: output, to: values.count, by: outputs)
                let mean = places.reduce(0) { $0 + values[$1] } / Float(values.count / outputs)
                for place in places { values[place] -= mean }
            }
        }
    }

    /// Scales and centres the routers one after the other, so that they send the images different ways.
    private func spreadRoutes() throws {
        for index in network.mixtureLayers.indices {
            let record = PassRecord()
            _ = try network.forward([images], pass(.running, record))
            let router = record.routers[index]
            let experts = router.experts
            let scores = router.perShard[0].scores
            let rows = scores.count / experts
            var logits = scores.map { logarithm(Double($0)) }
            for row in 0..<rows {
                let mean = logits[row * experts..<(row + 1) * experts].reduce(0, +) / Double(experts)
                for place in row * experts..<(row + 1) * experts { logits[place] -= mean }
            }
            let means = (0..<experts).map { expert in
                (0..<rows).reduce(0) { $0 + logits[$1 * experts + expert] } / Double(rows)
            }
            let spread =
                (logits.enumerated().reduce(0) {
                    $0 + ($1.element - means[$1.offset % experts]) * ($1.element - means[$1.offset % experts])
                } / Double(logits.count)).squareRoot()
            let factor = 1.2 / spread
            // The head: what the logits are linear in.
            for slot in parameters.slots where slot.name.contains("\(router.layer).router") && !slot.name.contains("1.")
            {
                parameters.update {
                    for place in slot.range {
                        var value = Double($0.values[place]) * factor
                        if slot.name.hasSuffix("bias") { value -= means[place - slot.offset] * factor }
                        $0.values[place] = Float(value)
                    }
                }
            }
        }
    }

    /// One forward pass in training, settled, and its losses over the global batch.
    struct Outcome {
        let record: PassRecord
        let settled: SettledRecord
        let logits: [Tensor]
        let tape: Network.Tape
        let dLogits: [Tensor]
        let taskLoss: Double
        var balanceLoss: Double { settled.routers.reduce(0) { $0 + $1.balanceLoss } }
        var routes: [[Int]] { record.routers.flatMap { $0.perShard.map(\.routes.experts) } }
        var best: [[Double]] { settled.routers.map(\.global.best) }
    }

    /// Cuts the batch into shards of these sizes.
    func shards(_ sizes: [Int]) -> [Tensor] {
        ranges(sizes).map { range in
            let part = Tensor(
                workspace, images: range.count, height: images.height, width: images.width, channels: images.channels)
            part.copy(from: images.slice(range))
            return part
        }
    }

    func ranges(_ sizes: [Int]) -> [Range<Int>] {
        var first = 0
        return sizes.map { size in
            defer { first += size }
            return first..<first + size
        }
    }

    func forward(_ x: [Tensor], _ pass: Pass) throws -> Outcome {
        var pass = pass
        let record = PassRecord()
        pass.record = record
        let (logits, tape) = try network.forward(x, pass)
        let total = x.reduce(0) { $0 + $1.images }
        let parts = zip(logits, ranges(x.map(\.images))).map {
            CrossEntropy.evaluate($0, Array(labels[$1]), divisor: total)
        }
        let (sums, settled) = try record.settle(
            extra: parts.map { [$0.losses.reduce(0, +)] }, SoloStatistics(), parameters)
        return Outcome(
            record: record, settled: settled, logits: logits, tape: tape, dLogits: parts.map(\.dLogits),
            taskLoss: sums[0] / Double(total))
    }

    /// The gradient of the images as an attack sees it.
    func inputGradient(_ x: [Tensor], _ pass: Pass) throws -> (logits: [Tensor], gradient: [Tensor]) {
        let (logits, tape) = try network.forward(x, pass)
        let total = x.reduce(0) { $0 + $1.images }
        let dLogits = zip(logits, ranges(x.map(\.images))).map {
            CrossEntropy.evaluate($0, Array(labels[$1]), divisor: total).dLogits
        }
        return (logits, try network.backward(dLogits, tape, pass, into: nil, wantsInput: true))
    }
}

/// |a − b| / |b|, in Double.
func distance(_ a: [Float], _ b: [Float]) -> Double {
    let difference = zip(a, b).reduce(0) { $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1)) }
    let norm = b.reduce(0) { $0 + Double($1) * Double($1) }
    return (difference / norm).squareRoot()
}

func cosine(_ a: [Float], _ b: [Float]) -> Double {
    func inner(_ x: [Float], _ y: [Float]) -> Double { zip(x, y).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
    return inner(a, b) / (inner(a, a) * inner(b, b)).squareRoot()
}
