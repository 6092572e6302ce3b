import Collectives
import Datasets
import NetworkAttacks
import Networks
import Testing

@testable import Configuration
@testable import Evaluation
@testable import Files

extension RankTests.Evaluations {
    /// Eleven images, of which the network, its classes made equally likely, gets all but the last two right.
    private func mostlyRight(_ scene: RankScene) throws -> ImageSet {
        let batch = images.chunk(Array(0..<11)[...], workspace: scene.workspace)
        let pass = evaluator(scene, communicator).passes.frozen(samples: [batch.indices])
        let logits = try scene.network.forward([batch.images], pass).logits[0].toArray()
        let bias = try #require(scene.network.parameters.slots.first { $0.name == "fc.bias" })
        scene.network.parameters.update { parameters in
            for (index, logit) in logits.enumerated() { parameters.values(of: bias)[index % 5] -= logit / 11 }
        }
        let clean = try #require(
            try evaluator(scene, SoloCommunicator()).run(images, Array(0..<11), attacks: []).result)
        let labels = clean.perSample.map { row in
            Int32(row.index < 9 ? row.cleanPrediction : (row.cleanPrediction + 1) % 5)
        }
        return ImageSet(
            name: .synthetic, split: .test, traits: RankScene.traits, images: Array(images.images), labels: labels)
    }

    private func attack(_ steps: Int, epsilon: Double, id: String? = nil) throws -> NetworkAttack {
        var attack = RunConfiguration.Attack()
        attack.id = id ?? "pgd-\(steps)"
        attack.steps = steps
        attack.epsilon = epsilon
        attack.stepSize = 2 * epsilon / Double(steps)
        attack.start = .given(.none)
        return try #require(attack.networkAttack)
    }

    @Test("A ladder's stages run on the images that are still right, and its result is their pointwise worst")
    func ladder() throws {
        var configuration = MixtureCase.all[0].configuration
        configuration.evaluation.chunk = 4
        let scene = try RankScene(configuration, images: 8)
        let set = try mostlyRight(scene)
        // Radii so small at first that something is left to do, and so large at last that nothing is.
        let radii = [1e-4, 4e-4, 1.6e-3, 6.4e-3, 0.0256, 0.1024, 0.4096]
        let stages = try radii.enumerated().map { try attack(2, epsilon: $0.element, id: "pgd-\($0.offset)") }
        let ladder = EvaluatedAttack(id: "all", ladder: stages)
        let singles = stages.map { EvaluatedAttack($0) }
        func run(_ communicator: any Communicator) throws -> EvaluationResult? {
            try evaluator(scene, communicator).run(set, Array(0..<11), attacks: singles + [ladder]).result
        }
        let result = try #require(try run(SoloCommunicator()))
        if let found = try run(communicator) { #expect(try bytes(found) == bytes(result)) }

        let found = result.inputs[stages.count + 1]
        #expect(found.name == "all" && found.stages.map(\.name) == stages.map { "all/\($0.id)" })
        let correct = found.stages.map(\.correct)
        #expect(result.inputs[0].correct == 9 && found.stages[0].attacked == 9)
        #expect(found.stages.dropFirst().map(\.attacked) == Array(correct.dropLast()))
        #expect(found.correct == correct.last)
        #expect(Set(correct).count > 2, "several stages have something to do: \(correct)")
        #expect(found.stages.allSatisfy { $0.attacked == $0.moved })
        var fooled = 0
        for row in result.perSample {
            let (alone, together) = (row.outcomes.dropLast(), row.outcomes[stages.count])
            if row.index >= 9 {
                #expect(together.prediction == row.cleanPrediction && together.loss == row.cleanLoss)
                #expect(together.distance == 0, "images that are wrong when clean are left alone")
                continue
            }
            // An image keeps what first fooled the network on it, else what the last stage made.
            let first = alone.firstIndex { $0.prediction != row.label } ?? stages.count - 1
            fooled += first < stages.count - 1 ? 1 : 0
            #expect(abs(together.distance - alone[first].distance) < 1e-6, "image \(row.index)")
            #expect(abs(together.loss - alone[first].loss) < 1e-3, "image \(row.index)")
            #expect(together.prediction == alone[first].prediction)
        }
        #expect(fooled > 0)
        #expect(result.worstCaseCorrect <= found.correct)
    }

    @Test("A ladder has a row for each stage, which counts as the library prints it, and one for itself")
    func ladderRows() throws {
        let scene = try RankScene(MixtureCase.all[0].configuration, images: 8)
        let ladder = EvaluatedAttack(id: "all", ladder: try [attack(1, epsilon: 0.05), attack(3, epsilon: 0.05)])
        let set = try mostlyRight(scene)
        guard let result = try evaluator(scene, communicator).run(set, Array(0..<11), attacks: [ladder]).result else {
            return
        }
        let rows = result.rows(
            EvaluationSubject(
                checkpoint: "c", sha256: nil, dataset: "synthetic", split: "test", seed: 1, normalization: "none"))
        #expect(rows.map(\.attack) == ["none", "all/pgd-1", "all/pgd-3", "all", "worst-case"])
        #expect(rows.map(\.steps) == [nil, 1, 3, nil, nil])
        #expect(rows.map(\.epsilon) == [nil, 0.05, 0.05, 0.05, nil])
        #expect(rows.map(\.norm) == [nil, "linf", "linf", "linf", nil])
        #expect(rows[1].correct >= rows[2].correct && rows[2].correct == rows[3].correct)
        #expect(rows[3].correct == rows[4].correct && rows.allSatisfy { $0.samples == 11 })
    }

    @Test("An evaluation is asked whether to stop before every pass of an attack, and stops on all ranks")
    func stop() throws {
        let scene = try RankScene(MixtureCase.all[0].configuration, images: 8)
        let attack = EvaluatedAttack(try attack(50, epsilon: 0.1))
        var questions = 0
        var stopping = evaluator(scene, communicator)
        stopping.wantsToStop = {
            questions += 1
            return questions > 20
        }
        guard case .stopped = try stopping.run(images, Array(0..<11), attacks: [attack]) else {
            Issue.record("expected an evaluation that stops")
            return
        }
        // Others may have stopped this rank before.
        #expect(communicator.size == 1 ? questions == 21 : questions <= 21)
    }
}
