import Foundation
import Testing

@testable import Training

@Suite("learning rate schedules")
struct LearningRateScheduleTests {
    private func schedule(
        _ name: RunConfiguration.Schedule.Name, epochs: Int = 10, steps: Int = 5,
        _ change: (inout RunConfiguration.Schedule) -> Void = { _ in }
    ) -> LearningRateSchedule {
        var training = RunConfiguration.Training()
        training.epochs = epochs
        training.optimizer.rate = 0.4
        training.schedule.name = name
        change(&training.schedule)
        return LearningRateSchedule(training, stepsPerEpoch: steps)
    }

    private func expectClose(
        _ found: Double, _ expected: Double, _ sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(abs(found - expected) <= 1e-12, sourceLocation: sourceLocation)
    }

    @Test("Cosine begins at the rate, is half-way between rate and minimum in the middle, and ends at the minimum")
    func cosine() {
        let rates = schedule(.cosine) { $0.minimumRate = 0.1 }
        expectClose(rates.rate(atStep: 0), 0.4)
        expectClose(rates.rate(atStep: 25), 0.25)
        expectClose(rates.rate(atStep: 10), 0.1 + 0.15 * (1 + cos(0.2 * Double.pi)))
        expectClose(rates.rate(atStep: 50), 0.1)
        expectClose(rates.rate(atStep: 70), 0.1)
        #expect(rates.rate(atStep: 49) > 0.1)
    }

    @Test("Poly falls as a power of what is left, and not below the minimum")
    func poly() {
        let rates = schedule(.poly) { $0.power = 2 }
        expectClose(rates.rate(atStep: 0), 0.4)
        expectClose(rates.rate(atStep: 25), 0.1)
        expectClose(rates.rate(atStep: 50), 0)
        expectClose(schedule(.poly) { $0.minimumRate = 0.2 }.rate(atStep: 49), 0.2)
    }

    @Test("Steps multiply the rate from the first step of each milestone's epoch on")
    func steps() {
        let rates = schedule(.step) {
            $0.milestones = [2, 6]
            $0.gamma = 0.5
        }
        for (step, rate) in [(0, 0.4), (9, 0.4), (10, 0.2), (29, 0.2), (30, 0.1), (49, 0.1)] {
            expectClose(rates.rate(atStep: step), rate)
        }
    }

    @Test("A constant rate stays")
    func constant() {
        for step in [0, 17, 49, 100] { expectClose(schedule(.constant).rate(atStep: step), 0.4) }
    }

    @Test("Warm-up rises by equal parts to the full rate, and the curve spans what is left")
    func warmup() {
        let rates = schedule(.cosine) { $0.warmupEpochs = 2 }
        for step in 0..<10 { expectClose(rates.rate(atStep: step), 0.4 * Double(step + 1) / 10) }
        expectClose(rates.rate(atStep: 10), 0.4)
        expectClose(rates.rate(atStep: 30), 0.2)
        expectClose(rates.rate(atStep: 50), 0)
        // Part of an epoch: 2.5 steps.
        let short = schedule(.constant) { $0.warmupEpochs = 0.5 }
        expectClose(short.rate(atStep: 0), 0.16)
        expectClose(short.rate(atStep: 1), 0.32)
        expectClose(short.rate(atStep: 2), 0.4)
    }

    @Test("A rate depends on the step alone: neither on the order of questions nor on where a run resumed")
    func purity() {
        let rates = schedule(.cosine) { $0.warmupEpochs = 1 }
        let forward = (0..<50).map { rates.rate(atStep: $0) }
        let backward = (0..<50).reversed().map { schedule(.cosine) { $0.warmupEpochs = 1 }.rate(atStep: $0) }
        #expect(forward == backward.reversed())
        #expect(forward.allSatisfy { $0 >= 0 && $0 <= 0.4 })
        #expect(Set(forward).count == 50 - 1)
    }
}
