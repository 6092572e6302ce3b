import Tensors
import Testing

@testable import Attacks

/// Where the margin is linear with slope w, a change within epsilon lowers it by at most ε‖w‖₁ (l-infinity).
@Suite("the optimum of a linear model")
struct LinearOptimumTests {
    private static let attacks: [(name: String, attack: @Sendable (PerturbationBall) -> any Attack)] = [
        ("pgd", { ProjectedGradientDescent(ball: $0, stepSize: $0.epsilon / 4, steps: 20) }),
        ("apgd-ce", { AutoProjectedGradientDescent(ball: $0, steps: 20) }),
        ("apgd-t", { AutoProjectedGradientDescent(ball: $0, steps: 20, goal: .targets(3)) }),
        ("fab-t", { FastAdaptiveBoundary(ball: $0, steps: 30, targets: 3) }),
        ("square", { SquareAttack(ball: $0, queries: 3000) }),
    ]

    @Test("each attack fools the model from the least radius on, and not below", arguments: attacks.map(\.name))
    func leastRadius(_ name: String) throws {
        let problem = LinearProblem(.twoOfFour, images: 8, workspace: Workspace())
        let attack = try #require(Self.attacks.first { $0.name == name }).attack
        for image in 0..<8 {
            let least = problem.distance(image, .linf)
            // FAB's way back leaves it half a per cent short.
            for (factor, isFooled) in [(0.999, false), (1.01, true)] {
                let ball = PerturbationBall(epsilon: Float(factor * least))
                #expect(try problem.isFooled(image, by: attack(ball)) == isFooled, "image \(image), \(factor)")
            }
        }
    }
}
