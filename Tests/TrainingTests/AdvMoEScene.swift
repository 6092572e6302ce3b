import Datasets
import Foundation
import Networks
import Synchronization
import Tensors
import TestSupport
import Testing

@testable import Attacks
@testable import Configuration
@testable import Training

/// The network of a fixture, its batches, and comparisons with what PyTorch made of them.
struct AdvMoEScene {
    let fixture: AdvMoEFixture
    let configuration: RunConfiguration
    let traits: DatasetTraits
    let network: Network
    let workspace = Workspace()

    init(_ name: String) throws {
        fixture = try AdvMoEFixture.load(name)
        configuration = try RunConfiguration.resolve(
            layers: fixture.settings.map { ConfigurationLayer(override: $0) })
        traits = DatasetTraits(
            classNames: (0..<fixture.classes).map(String.init), height: fixture.size, width: fixture.size, channels: 3,
            mean: [0.5, 0.5, 0.5], standardDeviation: [0.25, 0.25, 0.25], augmentations: [])
        network = try Network(configuration.networkSettings(traits), seed: 1)
        HashedValues(salt: fixture.salt).fill(
            network.parameters, gain: fixture.gain, routerGain: fixture.routerGain)
    }

    /// Batch `number` of the fixture.
    func batch(_ number: Int) -> TrainingBatch {
        let count = fixture.batch
        let images = HashedValues(salt: "\(fixture.salt)/batch\(number)").images(
            workspace, count, channels: 3, height: fixture.size, width: fixture.size)
        return TrainingBatch(
            images: [images], labels: [(0..<count).map { Int32((7 * $0 + 3 * number) % 10) }],
            samples: [(0..<count).map { (37 * (count * number + $0) + 11) % 101 }], globalSize: count)
    }

    /// Values at `count` spread places of a flat tensor.
    static func probes(_ values: [Double], _ count: Int) -> [Double] {
        (0..<count).map { values[$0 * values.count / count] }
    }

    /// What every tensor may differ by: the score gradients ⟨dY, Y⟩ of a layer add up to nothing but rounding in front of a
    /// batch norm that its experts share, and so does the gradient of its router's bias.
    private static let floor = 2e-6

    /// Expects norm and values of a tensor within `bound` of the known norm, plus a multiple of PyTorch's own error.
    func expect(
        _ found: [Double], _ known: AdvMoEFixture.Probe, within bound: Double, factor: Double = 8, _ name: String
    ) {
        let norm = found.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let limit = factor * known.error + bound * known.norm + Self.floor
        #expect(abs(norm - known.norm) <= limit, "norm of \(name): \(norm), known \(known.norm)")
        let distance = zip(Self.probes(found, known.values.count), known.values).reduce(0) {
            $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
        }.squareRoot()
        #expect(distance <= limit, "\(name): \(distance) apart, norm \(known.norm), error \(known.error)")
    }

    /// Expects slots of an arena, parameters or what is laid out like them, to be the known ones.
    func expect(
        _ arena: UnsafeBufferPointer<Float>, _ known: [String: AdvMoEFixture.Probe], within bound: Double,
        factor: Double = 8, _ what: String
    ) {
        let slots = network.parameters.slots.filter { !$0.isStatistic }
        #expect(Set(slots.map(\.name)) == Set(known.keys))
        for slot in slots {
            guard let probe = known[slot.name] else { continue }
            expect(
                slot.layout.outside(arena[slot.range]), probe, within: bound, factor: factor, "\(what) of \(slot.name)")
        }
    }

    /// Expects the running statistics to be the known ones, `bound` being relative to 1 + |value|.
    func expect(_ known: [String: AdvMoEFixture.Statistics], within bound: Double, _ what: String) {
        let slots = network.parameters.slots.filter(\.isStatistic)
        #expect(slots.count == 3 * known.count)
        for slot in slots {
            let split = slot.name.lastIndex(of: ".") ?? slot.name.endIndex
            guard let norm = known[String(slot.name[..<split])] else {
                Issue.record("\(slot.name) is not in the fixture")
                continue
            }
            let found = network.parameters.values(of: slot)
            if slot.layout == .counter {
                #expect(found[0] == norm.tracked, "\(slot.name), \(what)")
                continue
            }
            let exact = slot.name.hasSuffix("mean") ? norm.mean : norm.variance
            for (value, exact) in zip(found, exact) {
                #expect(
                    abs(Double(value) - exact) <= bound * (1 + abs(exact)), "\(slot.name), \(what): \(value), \(exact)")
            }
        }
    }
}

/// An attack that goes where known signs lead, from its own start, and notes how many of its own pixels would be the same.
struct FollowedAttack: Attack {
    /// What is known of the attacks to come, and what came of those that were.
    final class Course: Sendable {
        private let state = Mutex<(coming: [[Data]], shares: [Double])>(([], []))

        func expect(_ signs: [[Data]]) { state.withLock { $0 = (signs, []) } }

        fileprivate func next() -> [Data] { state.withLock { $0.coming.isEmpty ? [] : $0.coming.removeFirst() } }

        fileprivate func note(_ share: Double) { state.withLock { $0.shares.append(share) } }

        /// For each attack since ``expect(_:)``, the share of pixels on which both agree.
        var shares: [Double] { state.withLock(\.shares) }
    }

    let attack: ProjectedGradientDescent
    let course = Course()

    func perturb(
        _ batch: AttackBatch, _ objective: any Objective, against target: some AttackTarget
    ) throws -> [Tensor] {
        let images = batch.images
        let own = try attack.perturb(batch, objective, against: target)
        let followed = attack.start.draw(attack.ball, batch, clamps: false)
        for signs in course.next() {
            attack.ball.ascend(
                followed[0], along: Self.direction(signs, like: images[0]), by: { _ in attack.stepSize },
                around: images[0])
        }
        let equal = zip(own[0].elements, followed[0].elements).count { abs($0 - $1) <= 1e-6 }
        course.note(Double(equal) / Double(own[0].count))
        return followed
    }

    /// 1 and −1 where bits in PyTorch's order say so.
    private static func direction(_ bits: Data, like images: Tensor) -> Tensor {
        let result = Tensor(like: images)
        for place in 0..<result.count {
            let (pixel, channel) = place.quotientAndRemainder(dividingBy: images.channels)
            let (image, position) = pixel.quotientAndRemainder(dividingBy: images.pixels)
            let bit = (image * images.channels + channel) * images.pixels + position
            result.pointer[place] = bits[bit / 8] >> (7 - bit % 8) & 1 == 1 ? 1 : -1
        }
        return result
    }
}
