import Networks
import Testing

@testable import Files

@Suite("routing alarms")
struct RoutingAlarmTests {
    @Test(
        "Crowding onto half of the experts' worth is a collapse, an unused expert a dead one",
        arguments: [
            ([25, 25, 25, 25], 1, nil), ([97, 1, 1, 1], 1, .collapsed), ([50, 50, 0, 0], 1, .collapsed),
            ([34, 33, 33, 0], 1, .deadExpert), ([40, 30, 20, 10], 1, nil), ([60, 40], 1, nil),
            ([99, 1], 1, .collapsed), ([100, 0], 1, .collapsed), ([50, 50, 1, 1], 2, .collapsed),
            // Every image takes both experts: there is nothing to choose.
            ([50, 50], 2, nil), ([0, 0], 1, nil),
        ] as [([Double], Double, RoutingAlarm?)])
    func alarms(chosen: [Double], choices: Double, expected: RoutingAlarm?) {
        #expect(RoutingAlarm(chosen: chosen, choices: choices) == expected)
    }

    @Test("Fixed experts are compared with the gate by counts, and clearly where intervals part")
    func againstGate() {
        func row(_ expert: Int?, _ correct: Int, samples: Int = 100) -> FixedExpertRow {
            FixedExpertRow(
                checkpoint: "c", checkpointSHA256: nil, dataset: "d", split: "test", layer: "l", expert: expert,
                inputs: "clean", samples: samples, correct: correct, loss: 1, gatedCorrect: 50)
        }
        let verdicts = [80, 52, 50, 48, 20].map { row(0, $0).againstGate }
        #expect(verdicts == ["clearly-better", "better", "equal", "worse", "clearly-worse"])
        #expect(row(nil, 50).againstGate == nil)
        let cells = Dictionary(
            zip(FixedExpertRow.columns.map(\.name), row(nil, 50).values), uniquingKeysWith: { first, _ in first })
        #expect(cells["expert"] == .text("gated") && cells["accuracy"] == .real(0.5))
        #expect(row(3, 50).values[5] == .integer(3))
    }
}
