import Attacks
import Foundation
import NetworkAttacks
import Networks
import Tensors
import Testing

@Suite("The libraries' example")
struct AttackExampleTests {
    @Test("A network of a user's own is attacked in a few public lines")
    func attack() throws {
        let settings = NetworkSettings(
            blocks: [1, 1], width: 8, channels: 3, classes: 10, mean: [0, 0, 0], deviation: [1, 1, 1])
        let network = try Network(settings, seed: 1)
        let workspace = Workspace(threads: 2)
        let images = Tensor(workspace, images: 4, height: 32, width: 32, channels: 3)
        images.fill(0.5)
        let batch = AttackBatch(images: [images], labels: [[0, 1, 2, 3]], samples: [[0, 1, 2, 3]], seed: 1)
        let passes = PassFactory(
            network, workspace: workspace, filters: FilterCache(capacityMegabytes: 64), routing: RoutingRule(seed: 1))
        let target = NetworkTarget(network, passes.frozen(samples: batch.samples))
        let attack = ProjectedGradientDescent(
            ball: PerturbationBall(.linf, epsilon: 8 / 255), stepSize: 2 / 255, steps: 10)
        let adversarial = try attack.perturb(batch, CrossEntropyObjective(labels: batch.labels), against: target)

        let moved = (0..<images.count).map { abs(adversarial[0].pointer[$0] - images.pointer[$0]) }
        #expect(moved.contains { $0 > 0 } && moved.allSatisfy { $0 <= 8 / 255 + 1e-6 })
    }

    @Test("README shows these very lines")
    func readme() throws {
        let source = URL(fileURLWithPath: #filePath)
        let root = source.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        func lines(_ file: URL) throws -> [String] {
            try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
        }
        let readme = try lines(root.appendingPathComponent("README.md"))
        let start = try #require(readme.firstIndex(of: "```swift"))
        let end = try #require(readme[(start + 1)...].firstIndex(of: "```"))
        let own = Set(try lines(source))
        #expect(end - start > 10)
        for line in readme[(start + 1)..<end] { #expect(own.contains(line), "\(line)") }
    }
}
