import Testing

@testable import Files
@testable import Runs
@testable import Training

@Suite("what a run watches")
struct RobustnessWatchTests {
    private func alarms(
        _ watch: inout RobustnessWatch, _ judged: Double, _ probe: Double, samples: Int = 1000
    ) -> [String] { watch.note(judged: (judged, samples), probe: (probe, samples)) }

    @Test("Robust overfitting is told once, when unseen images fall behind their best and the probe does not")
    func overfitting() {
        var watch = RobustnessWatch()
        #expect(alarms(&watch, 0.3, 0.32).isEmpty)
        #expect(alarms(&watch, 0.4, 0.45).isEmpty)
        // Within the interval of the best.
        #expect(alarms(&watch, 0.38, 0.5).isEmpty)
        let first = alarms(&watch, 0.3, 0.6)
        #expect(first.count == 1 && first[0].contains("robust overfitting"))
        #expect(first[0].contains("40.0% to 30.0%") && first[0].contains("45.0% to 60.0%"))
        #expect(alarms(&watch, 0.28, 0.7).isEmpty)
        // A new best, and another fall.
        #expect(alarms(&watch, 0.45, 0.7).isEmpty)
        #expect(alarms(&watch, 0.3, 0.8).count == 1)
    }

    @Test("A fall of both is none, unless the probe loses half")
    func collapse() {
        var watch = RobustnessWatch()
        #expect(alarms(&watch, 0.4, 0.45).isEmpty)
        #expect(alarms(&watch, 0.3, 0.3).isEmpty)
        let told = alarms(&watch, 0, 0)
        #expect(told.count == 1 && told[0].contains("catastrophic overfitting"))
        #expect(alarms(&watch, 0, 0).isEmpty)
    }

    @Test("Few images make no alarm")
    func fewImages() {
        var watch = RobustnessWatch()
        #expect(alarms(&watch, 0.4, 0.4, samples: 10).isEmpty)
        #expect(alarms(&watch, 0.2, 0.5, samples: 10).isEmpty)
    }

    @Test("A norm far above the median is told once until it comes down")
    func norms() {
        var alarm = GradientNormAlarm(factor: 10)
        for number in 0..<GradientNormAlarm.fewest - 1 {
            let told = alarm.note(1 + Double(number % 3))
            #expect(told == nil)
        }
        // Too few yet.
        let early = alarm.note(100)
        #expect(early == nil)
        let told = [15, 21, 30, 3, 25].map { alarm.note($0) }
        #expect(told == [nil, 2, nil, nil, 2])
        var long = GradientNormAlarm(factor: 2)
        for _ in 0..<500 { _ = long.note(1) }
        for _ in 0..<GradientNormAlarm.span { _ = long.note(4) }
        let calm = long.note(5)
        #expect(calm == nil)
    }

    @Test("So many steps in a row that change nothing end the run")
    func skipped() throws {
        var steps = SkippedSteps()
        for _ in 1..<SkippedSteps.mostInARow { try steps.skip("a.") }
        steps.step()
        for _ in 1..<SkippedSteps.mostInARow { try steps.skip("a.") }
        #expect(steps.count == 2 * (SkippedSteps.mostInARow - 1))
        let error = #expect(throws: RunError.self) { try steps.skip("the loss is not finite.") }
        let told = try #require(error)
        #expect(ExitStatus(told) == .numerical)
        #expect("\(told)".contains("the loss is not finite. That is the step number 10 in a row"))
    }
}
