import Tensors
import Testing

@testable import Networks

/// Central differences of a Float function along random directions, extrapolated once: (4 D(h) − D(2h)) / 3, exact up
/// to fourth order, so that steps can be large and rounding small.
///
/// The function's value is a sum in Double over a random projection of the output, or a loss. Along a direction of
/// independent N(0, 1) entries the true derivative has the deviation |gradient|: that is what errors are measured by.
struct GradientCheck {
    /// Something that values can be varied of: a slot, or an input tensor.
    struct Variable {
        let name: String
        let start: [Float]
        let gradient: [Float]
        /// Puts other values in the place of those at the start.
        let set: ([Float]) -> Void

        init(_ slot: Slot, _ parameters: Parameters, _ gradients: Gradients) {
            name = slot.name
            start = Array(parameters.values(of: slot))
            gradient = gradients.total(of: slot)
            set = { values in parameters.update { _ = $0.values(of: slot).update(from: values) } }
        }

        init(_ name: String, _ x: Tensor, gradient: [Float]) {
            self.name = name
            self.gradient = gradient
            start = x.toArray()
            set = { values in _ = x.elements.update(from: values) }
        }
    }
    /// Steps in units of the variable's rms, or of 1 where that is larger, plus `floor`.
    var step = 0.03
    var floor = 0.05
    /// Accepted error over |gradient|.
    ///
    /// Rounding leaves about 1e-5 to 1e-4 with these steps, the fourth-order term less.
    var tolerance = 1e-3
    var directions = 3
    /// Steps are shortened where the function would change by about this or more.
    var largestChange = Double.infinity
    /// Accepted error of the function's value itself, which no step size removes: its float32 noise.
    var noise = 0.0

    /// Thrown by a value that met another choice of experts than the gradient was taken at: a smaller step is tried.
    struct ChoiceChanged: Error {}

    /// Compares every variable's gradient with differences of `value`.
    func check(
        _ variables: [Variable], sourceLocation: SourceLocation = #_sourceLocation, value: () throws -> Double
    ) throws {
        for (index, variable) in variables.enumerated() {
            let start = variable.start
            var stream = RandomStream(seed: 77, purpose: .synthetic, index: index)
            let norm = variable.gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            let rms = (start.reduce(0) { $0 + Double($1) * Double($1) } / Double(max(1, start.count))).squareRoot()
            let widest = min(step * (min(rms, 1) + floor), norm > 0 ? largestChange / norm : .infinity)
            for direction in 0..<directions {
                let v = start.map { _ in Double(stream.normal()) }
                func difference(_ h: Double) throws -> Double {
                    var sum = 0.0
                    for sign in [1.0, -1.0] {
                        variable.set(zip(start, v).map { Float(Double($0) + sign * h * $1) })
                        sum += sign * (try value())
                    }
                    return sum / (2 * h)
                }
                var h = widest
                var result: Double?
                while result == nil, h > widest / 100 {
                    do {
                        result = try (4 * difference(h) - difference(2 * h)) / 3
                    } catch is ChoiceChanged {
                        h /= 2
                    }
                }
                guard let numeric = result else {
                    Issue.record(
                        "\(variable.name): a route changes within a step of \(h)", sourceLocation: sourceLocation)
                    continue
                }
                let analytic = zip(v, variable.gradient).reduce(0) { $0 + $1.0 * Double($1.1) }
                let bound = tolerance * norm + noise / h
                #expect(
                    abs(numeric - analytic) <= bound,
                    "\(variable.name), direction \(direction): numeric \(numeric), analytic \(analytic), norm \(norm)",
                    sourceLocation: sourceLocation)
            }
            variable.set(start)
        }
    }
}

/// Parameters, memory and passes of a layer under test.
final class LayerBench {
    let parameters = Parameters()
    let workspace = Workspace()
    let filters = FilterCache(capacityMegabytes: 64)

    func pass(_ normalization: Normalization = .running, _ record: PassRecord? = nil, samples: [[Int]] = []) -> Pass {
        Pass(
            parameters: parameters, workspace: workspace, filters: filters, arithmetic: .exact,
            normalization: normalization, samples: samples, record: record)
    }

    /// N(0, 1) values that depend on the seed alone, `shift` added.
    func random(_ shape: [Int], _ seed: UInt64, shift: Float = 0) -> Tensor {
        let result = Tensor(workspace, images: shape[0], height: shape[1], width: shape[2], channels: shape[3])
        var stream = RandomStream(seed: seed, purpose: .synthetic)
        for index in 0..<result.count { result.pointer[index] = stream.normal() + shift }
        return result
    }

    func randomLike(_ x: Tensor, _ seed: UInt64) -> Tensor { random([x.images, x.height, x.width, x.channels], seed) }

    /// Draws every slot around what `center` says, by `spread`.
    func draw(_ seed: UInt64, _ values: (_ slot: Slot) -> (center: Float, spread: Float)) {
        parameters.update { arenas in
            for (index, slot) in parameters.slots.enumerated() {
                var stream = RandomStream(seed: seed, purpose: .synthetic, index: 1000 + index)
                let (center, spread) = values(slot)
                let target = arenas.values(of: slot)
                for place in target.indices { target[place] = center + spread * (2 * stream.uniform() - 1) }
            }
        }
    }

    /// Every parameter with its gradient, summed over shards.
    func variables(_ gradients: Gradients, where isWanted: (Slot) -> Bool = { _ in true }) -> [GradientCheck.Variable] {
        parameters.slots.filter { !$0.isStatistic && isWanted($0) }.map { .init($0, parameters, gradients) }
    }

    func input(_ x: Tensor, _ dx: Tensor, _ name: String = "input") -> GradientCheck.Variable {
        GradientCheck.Variable(name, x, gradient: dx.toArray())
    }

    /// Positive images that differ in the means of their first `experts` channels: those fall by 1 from channel to
    /// channel, beginning at the image's own, so that a router made by ``separate(_:)`` sends them different ways.
    func separableImages(_ counts: [Int], channels: Int, experts: Int) -> [Tensor] {
        counts.enumerated().map { shard, count in
            let x = random([count, 5, 4, channels], UInt64(10 + shard))
            for index in 0..<x.count {
                let image = index / x.imageSize
                let channel = index % channels
                let level = channel < experts ? Float((channel + image + shard) % experts) : Float(channel % 3) / 2
                x.pointer[index] = 0.2 + 0.4 * abs(x.pointer[index]) + level
            }
            return x
        }
    }

    /// Makes expert e of a linear router prefer images whose channel e is high; no choice is close then, and no score
    /// near 0.
    func separate(_ router: Router) throws {
        var stream = RandomStream(seed: 6, purpose: .synthetic)
        let (weight, bias) = try router.linearSlots()
        let experts = router.settings.experts
        parameters.update {
            for index in weight.range { $0.values[index] = 0.05 * stream.normal() }
            for index in bias.range { $0.values[index] = 0.05 * stream.normal() }
            for expert in 0..<experts { $0.values[weight.offset + expert * experts + expert] += 1 }
        }
    }

    func zeros(like x: Tensor) -> Tensor {
        let result = Tensor(like: x)
        result.fill(0)
        return result
    }

    /// Lets the running statistics converge to the moments that `forward` sees.
    func adoptStatistics(shards: Int = 2, _ forward: (Pass) throws -> Void) throws {
        for _ in 0..<80 {
            let record = PassRecord()
            try forward(pass(.synchronized, record))
            _ = try record.settle(extra: Array(repeating: [], count: shards), SoloStatistics(), parameters)
        }
    }
}

extension Router {
    /// Weight and bias of the gap-linear router.
    func linearSlots() throws -> (weight: Slot, bias: Slot) {
        let head = try #require(network as? LinearRouter).head
        return (head.weight, try #require(head.bias))
    }
}

extension Slot {
    /// Whether it belongs to a batch norm.
    var isNorm: Bool {
        let path = name.split(separator: ".").dropLast()
        guard let layer = path.last else { return false }
        if layer.hasPrefix("bn") || layer.hasPrefix("norm") || name.contains("downsample.1.") { return true }
        // Those of a VGG have numbers.
        return path.first == "features" && layout.shape.count < 2
    }

    /// Whether this is the shift of a batch norm.
    var isShift: Bool { isNorm && name.hasSuffix(".bias") }
}

extension Gradients {
    /// For a pass whose balancing losses take no part.
    var unbalanced: GradientAccumulator { GradientAccumulator(self, .none) }

    /// The gradient of one slot, summed over the shards.
    func total(of slot: Slot) -> [Float] {
        var result = [Float](repeating: 0, count: slot.count)
        for arena in arenas {
            for (place, value) in arena[slot.range].enumerated() { result[place] += value }
        }
        return result
    }
}

/// Σ of the elementwise product, in Double.
func projection(_ x: Tensor, _ weights: Tensor) -> Double {
    zip(x.elements, weights.elements).reduce(0) { $0 + Double($1.0) * Double($1.1) }
}

func projection(_ x: [Tensor], _ weights: [Tensor]) -> Double {
    zip(x, weights).reduce(0) { $0 + projection($1.0, $1.1) }
}
