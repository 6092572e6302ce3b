import Attacks
import Testing

@testable import Evaluation

@Suite("red flags from rows and paths")
struct RedFlagTests {
    private func record(
        _ name: String, _ access: AttackAccess = .gradients, family: String? = nil,
        norm: PerturbationBall.Norm? = .linf, epsilon: Double = 8 / 255, stepSize: Double? = 2 / 255,
        steps: Int? = 10, restarts: Int? = 1, isRight: [Bool] = []
    ) -> AttackRecord {
        AttackRecord(
            name: name, access: access, family: family, norm: norm, epsilon: epsilon, stepSize: stepSize, steps: steps,
            restarts: restarts, isRight: isRight)
    }

    /// So many right images of a thousand, from the first on.
    private func right(_ count: Int) -> [Bool] { (0..<1000).map { $0 < count } }

    @Test("Settings that cannot reach the radius, or pass it in one step, or have another norm than training's")
    func settings() {
        func kinds(_ record: AttackRecord, trained: Double? = nil) -> [RedFlag.Kind] {
            SettingChecks.flags(record, training: trained.map { (.linf, $0) }).map(\.kind)
        }
        #expect(kinds(record("usual"), trained: 8 / 255).isEmpty)
        #expect(kinds(record("exact", stepSize: 8 / 255, steps: 1)).isEmpty)
        #expect(kinds(record("long", stepSize: 9 / 255)) == [.stepAboveRadius])
        #expect(kinds(record("short", steps: 3)) == [.pathBelowRadius])
        #expect(kinds(record("just", steps: 4)).isEmpty)
        #expect(kinds(record("apgd", stepSize: nil, steps: 1)).isEmpty)
        #expect(kinds(record("small", norm: .l2, stepSize: 2 / 255)) == [.smallL2Radius])
        #expect(kinds(record("l2", norm: .l2, epsilon: 0.5, stepSize: 0.1), trained: 8 / 255) == [.otherNorm])
        #expect(kinds(record("half", epsilon: 4 / 255), trained: 8 / 255) == [.otherRadius])
        #expect(kinds(record("none", epsilon: 0), trained: 8 / 255).isEmpty)
        #expect(kinds(record("noise", .none, norm: nil), trained: 4 / 255).isEmpty)
    }

    @Test("More steps, restarts or radius that leave more images right, beyond chance")
    func weaker() {
        let base = record("ten", family: "pgd", isRight: right(300))
        func kinds(_ change: (inout AttackRecord) -> Void) -> [RedFlag.Kind] {
            var other = base
            other.name = "other"
            change(&other)
            return ComparisonChecks.flags([base, other]).map(\.kind)
        }
        #expect(
            kinds {
                $0.steps = 20; $0.isRight = right(303)
            } == [.moreStepsWeaker])
        #expect(
            kinds {
                $0.steps = 20; $0.isRight = right(302)
            }.isEmpty)
        #expect(
            kinds {
                $0.steps = 20; $0.isRight = right(290)
            }.isEmpty)
        #expect(
            kinds {
                $0.steps = 5; $0.isRight = right(290)
            } == [.moreStepsWeaker])
        #expect(
            kinds {
                $0.restarts = 2; $0.isRight = right(310)
            } == [.moreRestartsWeaker])
        #expect(
            kinds {
                $0.epsilon = 16 / 255; $0.isRight = right(310)
            } == [.largerRadiusWeaker])
        #expect(
            kinds {
                $0.steps = 20; $0.family = "apgd"; $0.isRight = right(400)
            }.isEmpty)
        #expect(
            kinds {
                $0.steps = 20; $0.epsilon = 4 / 255; $0.isRight = right(400)
            }.isEmpty)
    }

    @Test("Attacks without gradients that fool what gradients leave right, in the same ball")
    func improvements() {
        let white = [record("pgd", isRight: right(300)), record("apgd", isRight: right(280))]
        func kinds(_ access: AttackAccess, _ count: Int, epsilon: Double = 8 / 255) -> [RedFlag.Kind] {
            ComparisonChecks.flags(white + [record("black", access, epsilon: epsilon, isRight: right(count))])
                .map(\.kind)
        }
        #expect(kinds(.outputs, 277) == [.squareImproves])
        #expect(kinds(.outputs, 278).isEmpty)
        #expect(kinds(.elsewhere, 200) == [.transferImproves])
        #expect(kinds(.elsewhere, 200, epsilon: 16 / 255).isEmpty)
        #expect(kinds(.none, 200) == [.noiseImproves])
        #expect(kinds(.gradients, 200).isEmpty)
        let flags = ComparisonChecks.flags(white + [record("square", .outputs, isRight: right(250))])
        #expect(flags.map(\.word) == ["square-improves=30"])
        #expect(flags[0].message.hasPrefix("square: fools 30 images"))
    }

    @Test("Outputs that differ from pass to pass, and outputs that are probabilities")
    func outputs() {
        let logits: [[Float]] = [[3, -1, 0.5], [0.1, 0.2, 0.7]]
        #expect(!OutputChecks.areRandom([logits, logits]))
        #expect(OutputChecks.areRandom([logits, [[3, -1, 0.5], [0.1, 0.2, 0.7005]]]))
        #expect(!OutputChecks.areRandom([logits, [[3, -1, 0.5], [0.1, 0.2, 0.70001]]]))
        #expect(OutputChecks.areRandom([[[1, 1.00001]], [[1.00001, 1]]]))
        #expect(!OutputChecks.areProbabilities(logits))
        #expect(OutputChecks.areProbabilities([logits[1], [0, 1, 0]]))
        #expect(!OutputChecks.areProbabilities([[0.5, 0.4, 0.05]]))
        #expect(!OutputChecks.areProbabilities([]))
        #expect(
            OutputChecks.instability([2, 0, 1], around: [[3, 0.5, 5], [1, 0.25, 5]]) == [0.5, 0.375, 1])
    }

    @Test("Paths without a slope, with a success that is lost, with a loss that still rises")
    func paths() {
        var path = AttackWatch.Path()
        func kinds(isRight: Bool = true, meetsAnother: Bool = false, climbs: Bool = true) -> [RedFlag.Kind] {
            PathChecks.kinds(path, isRight: isRight, meetsAnother: meetsAnother, climbs: climbs)
        }
        #expect(kinds().isEmpty)
        path.wasFooled = true
        #expect(kinds() == [.silentSuccess] && kinds(meetsAnother: true) == [.transferFailure])
        #expect(kinds(isRight: false).isEmpty && kinds(climbs: false).isEmpty)
        path.startsFlat = true
        #expect(kinds(isRight: false) == [.zeroGradients])
        path = AttackWatch.Path()
        path.losses = (0..<20).map(Double.init)
        #expect(kinds() == [.incompleteOptimization] && kinds(climbs: false).isEmpty && kinds(isRight: false).isEmpty)
        // The last ten losses rise by 0.4 of 10.4, less than 5%, then by more.
        path.losses = (0...10).map(Double.init) + [10.1, 10.4] + [Double](repeating: 10.2, count: 9)
        #expect(kinds().isEmpty)
        path.losses[18] = 11.2
        #expect(kinds() == [.incompleteOptimization])
        // Steps back and forth below what was reached are none.
        path.losses = [0, 10] + (0..<20).map { Double($0 % 2) }
        #expect(kinds().isEmpty)
        let all: [[RedFlag.Kind]] = [
            [.zeroGradients], [.zeroGradients, .silentSuccess], [.incompleteOptimization], [],
        ]
        #expect(PathChecks.flags(all, right: 20, inputs: "a").map(\.word) == ["zero-gradients=2", "silent-success=1"])
        #expect(PathChecks.flags(all, right: 9, inputs: "a").map(\.kind).contains(.incompleteOptimization))
    }

    @Test("An attack without room, with much, and without a radius")
    func radii() {
        func flags(_ trial: RadiusTrial.Kind, _ attacked: [Bool], _ fooled: [Bool]? = nil) -> [RedFlag] {
            let clean = (0..<40).map { $0 < 30 }
            return RadiusChecks.flags(
                trial, inputs: "pgd", clean: clean, attacked: attacked,
                wasFooled: fooled ?? [Bool](repeating: false, count: 40))
        }
        func right(_ count: Int) -> [Bool] { (0..<40).map { $0 < count } }
        #expect(flags(.zero, right(30)).isEmpty)
        #expect(flags(.zero, right(29)).map(\.word) == ["zero-radius-differs=1"])
        #expect(flags(.large, right(2)).isEmpty)
        #expect(flags(.large, right(3)).map(\.word) == ["large-radius-survived=3"])
        #expect(flags(.unconstrained, right(0)).isEmpty)
        #expect(flags(.unconstrained, right(1)).map(\.word) == ["unconstrained-failure=1"])
        #expect(flags(.unconstrained, right(1), right(1)).isEmpty)
        // Images that are wrong from the start prove nothing.
        #expect(flags(.unconstrained, (0..<40).map { $0 >= 30 }).isEmpty)
    }

    @Test("Every flag has a word of its own and a remedy")
    func words() {
        let kinds = RedFlag.Kind.allCases
        #expect(Set(kinds.map(\.rawValue)).count == kinds.count && kinds.allSatisfy { !$0.remedy.isEmpty })
        #expect(kinds.allSatisfy { !$0.rawValue.contains(";") && !$0.rawValue.contains(",") })
    }
}
