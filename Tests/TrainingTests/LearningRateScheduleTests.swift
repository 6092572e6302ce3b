import Foundation
import Testing

@testable import Training

@Suite("learning rate schedules")
struct LearningRateScheduleTests {
    private func schedule(
        _ name: ScheduleSettings.Name, epochs: Int = 10, steps: Int = 5,
        _ change: (inout ScheduleSettings) -> Void = { _ in }
    ) -> LearningRateSchedule {
        var settings = ScheduleSettings()
        settings.name = name
        change(&settings)
        return LearningRateSchedule(settings, rate: 0.4, epochs: epochs, stepsPerEpoch: steps)
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

    @Test("By epoch, the rate of an epoch's first step holds for all of it, and warm-up rises by whole epochs")
    func perEpoch() {
        let rates = schedule(.cosine) {
            $0.per = .epoch
            $0.warmupEpochs = 2
        }
        let steps = schedule(.cosine) { $0.warmupEpochs = 2 }
        for step in 10..<50 { #expect(rates.rate(atStep: step) == steps.rate(atStep: step / 5 * 5)) }
        expectClose(rates.rate(atStep: 4), 0.2)
        expectClose(rates.rate(atStep: 5), 0.4)
    }

    /// The rates of whole epochs of a schedule of chained schedulers, from 0.1.
    private func chained(
        _ name: ScheduleSettings.Name, epochs: Int, _ change: (inout ScheduleSettings) -> Void
    ) -> [Double] {
        var settings = ScheduleSettings()
        settings.name = name
        settings.per = .epoch
        settings.warmup = .product
        change(&settings)
        let rates = LearningRateSchedule(settings, rate: 0.1, epochs: epochs, stepsPerEpoch: 3)
        return (0..<epochs).map { epoch in
            #expect(rates.rate(atStep: 3 * epoch) == rates.rate(atStep: 3 * epoch + 2))
            return rates.rate(atStep: 3 * epoch)
        }
    }

    /// Compares with values of PyTorch's chained schedulers, given to ten digits.
    private func expectRates(
        _ rates: [Double], _ expected: [(epoch: Int, rate: Double)], _ location: SourceLocation = #_sourceLocation
    ) {
        for (epoch, rate) in expected {
            #expect(abs(rates[epoch] - rate) <= 1e-9 * rate + 1e-17, "epoch \(epoch)", sourceLocation: location)
        }
    }

    @Test("A triangle rises from nothing to its peak, and falls back to the minimum")
    func cyclic() {
        let schedule = schedule(.cyclic) {
            $0.peak = 0.4
            $0.minimumRate = 0.02
        }
        // Ten epochs of five steps: the peak is at step 20.
        for (step, rate) in [(0, 0.02), (10, 0.21), (20, 0.4), (35, 0.21), (49, 0.02 + 0.38 / 30)] {
            expectClose(schedule.rate(atStep: step), rate)
        }
    }

    @Test("A product without warm-up epochs has the reference's poly: a hundredth in epoch 0, then the curve itself")
    func referencePoly() {
        let rates = chained(.poly, epochs: 200) { $0.power = 0.9 }
        // Seven digits are known.
        for (epoch, rate) in [
            (0, 0.001), (1, 0.09954989), (2, 0.09909955), (3, 0.09864898), (100, 0.05358867), (199, 0.00084932),
        ] { #expect(abs(rates[epoch] - rate) <= 5.1e-9, "epoch \(epoch)") }
    }

    @Test("A product with warm-up epochs has the reference's cosine, which rises again after its bottom")
    func referenceCosine() {
        expectRates(
            chained(.cosine, epochs: 100) {
                $0.warmupEpochs = 5
                $0.minimumRate = 5e-5
            },
            [
                (0, 0.001), (1, 0.02079432754), (2, 0.04055568429), (3, 0.06025167252), (4, 0.07985000867),
                (5, 0.09931858567), (6, 0.09901966778), (50, 0.04589818013), (94, 7.73235138e-05), (95, 5e-05),
                (96, 7.732346439e-05), (97, 0.0001592639797), (98, 0.0002957319453), (99, 0.0004865781354),
            ])
        expectRates(
            chained(.cosine, epochs: 30) { $0.warmupEpochs = 5 },
            [
                (0, 0.001), (1, 0.02071799289), (4, 0.07523989787), (5, 0.09045084972), (6, 0.08644843137),
                (24, 0.0003942649343), (25, 0), (26, 0.0003942649343), (29, 0.006184665998),
            ])
    }

    @Test("Steps of a tenth every thirty epochs are the reference's")
    func referenceSteps() {
        let rates = chained(.step, epochs: 90) { $0.milestones = [30, 60] }
        expectRates(rates, [(1, 0.1), (29, 0.1), (30, 0.01), (59, 0.01), (60, 0.001), (89, 0.001)])
    }
}
