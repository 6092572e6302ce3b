import Attacks
import Datasets
import Networks
import Synchronization
import Tensors
import TestSupport
import Testing

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
    func batch(_ number: Int) -> PreparedBatch {
        let count = fixture.batch
        let images = HashedValues(salt: "\(fixture.salt)/batch\(number)").images(
            workspace, count, channels: 3, height: fixture.size, width: fixture.size)
        return PreparedBatch(
            epoch: 0, step: 0, images: [images], labels: [(0..<count).map { Int32((7 * $0 + 3 * number) % 10) }],
            indices: [(0..<count).map { (37 * (count * number + $0) + 11) % 101 }], globalSize: count)
    }

    /// Values at `count` spread places of a flat tensor.
    static func probes(_ values: [Double], _ count: Int) -> [Double] {
        (0..<count).map { values[$0 * values.count / count] }
    }

    /// Expects norm and values of a tensor within `bound` of the known norm, plus a multiple of PyTorch's own error.
    func expect(
        _ found: [Double], _ known: AdvMoEFixture.Probe, within bound: Double, factor: Double = 8, _ name: String
    ) {
        let norm = found.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let limit = factor * known.error + bound * known.norm
        #expect(abs(norm - known.norm) <= limit, "norm of \(name): \(norm), known \(known.norm)")
        let distance = zip(Self.probes(found, known.values.count), known.values).reduce(0) {
            $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
        }.squareRoot()
        #expect(distance <= limit, "\(name): \(distance) apart, norm \(known.norm), error \(known.error)")
    }

    /// Expects slots of an arena, parameters or what is laid out like them, to be the known ones.
    func expect(
        _ arena: UnsafeMutableBufferPointer<Float>, _ known: [String: AdvMoEFixture.Probe], within bound: Double,
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

/// An attack that remembers what it made.
struct RecordedAttack: Attack {
    /// For each call, (x′ − x) · 255 of the first shard in PyTorch's order.
    final class Changes: Sendable {
        private let calls = Mutex<[[Double]]>([])

        func note(_ change: [Double]) { calls.withLock { $0.append(change) } }

        /// Hands out what was noted since the last time.
        func take() -> [[Double]] {
            calls.withLock { calls in
                defer { calls = [] }
                return calls
            }
        }
    }

    let attack: any Attack
    let changes = Changes()

    func perturb<Target: AttackTarget>(
        _ images: [Tensor], _ objective: Objective, samples: [[Int]], against target: Target, seed: UInt64, step: Int
    ) throws -> [Tensor] {
        let result = try attack.perturb(
            images, objective, samples: samples, against: target, seed: seed, step: step)
        changes.note(zip(result[0].channelsFirst, images[0].channelsFirst).map { ($0 - $1) * 255 })
        return result
    }
}
