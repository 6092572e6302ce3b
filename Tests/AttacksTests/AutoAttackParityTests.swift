import Foundation
import Tensors
import Testing

@testable import Attacks

/// What AutoAttack's public APGD does: see the doc string of `Fixtures/make_apgd.py`.
private struct APGDFixture: Decodable {
    struct Schedule: Decodable {
        let steps: Int
        let start: [Double]
        /// `[image][step]`.
        let losses: [[Double]]
        let halvings: [[Int]]
    }
    struct Searches: Decodable {
        struct Run: Decodable {
            let norm: PerturbationBall.Norm
            let epsilon: Float
            let loss: String
            let steps: Int
            let losses: [[Double]]
            let isRobust: [Bool]
            let found: [[Float]]
        }
        let weights: [[Float]]
        let images: [[Float]]
        let labels: [Int32]
        let runs: [Run]
    }
    let schedules: [Schedule]
    let searches: Searches

    static func load() throws -> APGDFixture {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/apgd.json")
        return try JSONDecoder().decode(APGDFixture.self, from: Data(contentsOf: file))
    }
}

extension PerturbationBall.Norm: Decodable {}

/// Notes the losses of every call for a gradient.
private final class Recorder: AttackTarget {
    let model: SoftmaxTarget
    var losses: [[Double]] = []

    init(_ model: SoftmaxTarget) { self.model = model }

    func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) -> [ModelOutputs] {
        model.outputs(images, readsRouters: readsRouters, draw: draw)
    }

    func outputsAndInputGradient(
        _ images: [Tensor], _ objective: any Objective, draw: Int
    ) throws -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) {
        let result = try model.outputsAndInputGradient(images, objective, draw: draw)
        losses.append(result.values.flatMap(\.losses))
        return result
    }

    func selecting(_ images: [[Int]]) -> Recorder { self }
}

@Suite("APGD beside AutoAttack's")
struct AutoAttackParityTests {
    private let workspace = Workspace()

    @Test("steps are halved at the same checks, step for step")
    func schedules() throws {
        for schedule in try APGDFixture.load().schedules {
            var control = StepSizeControl(steps: schedule.steps, stepSize: 1, losses: schedule.start)
            for step in 0..<schedule.steps {
                let expected = schedule.halvings.map { Float(sign: .plus, exponent: -$0[step], significand: 1) }
                #expect(control.stepSizes == expected, "step \(step) of \(schedule.steps)")
                _ = control.arrive(schedule.losses.map { $0[step] })
                _ = control.check()
            }
            let highest = zip(schedule.start, schedule.losses).map { max($0, $1.max() ?? $0) }
            #expect(control.best == highest)
        }
    }

    @Test("searches from the clean images of softmax regression come by the same points to the same end")
    func searches() throws {
        let fixture = try APGDFixture.load().searches
        let pixels = fixture.images[0].count
        var linear = LinearTarget(classes: fixture.weights.count, pixels: pixels)
        linear.weights = fixture.weights
        let x = Tensor(workspace, images: fixture.images.count, channels: pixels)
        for (index, value) in fixture.images.joined().enumerated() { x.pointer[index] = value }
        let labels = [fixture.labels]
        let batch = AttackBatch(images: [x], labels: labels, samples: [Array(0..<x.images)], seed: 1)
        for run in fixture.runs {
            let objective: any Objective =
                run.loss == "dlr"
                ? DifferenceOfLogitsRatioObjective(labels: labels) : CrossEntropyObjective(labels: labels)
            let attack = AutoProjectedGradientDescent(
                ball: PerturbationBall(run.norm, epsilon: run.epsilon), steps: run.steps, start: .none,
                goal: run.loss == "targeted" ? .targets(1) : .given)
            let target = Recorder(SoftmaxTarget(linear: linear))
            let found = try attack.perturb(batch, objective, against: target)[0]
            let name = "\(run.norm), \(run.loss)"
            // In l2 lengths of gradients are sums in Float there, and in Double here.
            let slack = run.norm == .linf ? (loss: 2e-5, pixel: Float(1e-6)) : (loss: 5e-4, pixel: 1e-4)
            try #require(target.losses.count == run.steps)
            for (step, losses) in target.losses.dropFirst().enumerated() {
                for (image, loss) in losses.enumerated() {
                    let difference = abs(loss - run.losses[image][step])
                    #expect(difference < slack.loss, "\(name), image \(image), step \(step)")
                }
            }
            for (value, expected) in zip(found.elements, run.found.joined()) {
                #expect(abs(value - expected) < slack.pixel, "\(name)")
            }
            let predictions = CrossEntropy.predictions(
                target.outputs([found], readsRouters: false, draw: 0)[0].logits)
            #expect(zip(predictions, fixture.labels).map { $0 == $1 } == run.isRobust, "\(name)")
        }
    }
}
