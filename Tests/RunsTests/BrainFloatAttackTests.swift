import Collectives
import Files
import TestSupport
import Testing

@testable import Attacks
@testable import Configuration
@testable import NetworkAttacks
@testable import Networks
@testable import Runs
@testable import Tensors
@testable import Training

/// What bf16 factors in the passes of training attacks change, and what they leave alone.
@Suite("Attacks in bf16", .serialized, .enabled(if: Arithmetic.bfloat16.isAvailable))
struct BrainFloatAttackTests {
    private func configuration(_ arithmetic: Arithmetic) -> RunConfiguration {
        var configuration = RunConfiguration()
        configuration.model.width = 16
        configuration.data.dataset = .synthetic
        configuration.data.trainSamples = 128
        configuration.data.testSamples = 8
        configuration.training.epochs = 6
        configuration.training.globalBatch = 32
        configuration.training.optimizer.rate = 0.02
        configuration.evaluation.everyEpochs = 0
        configuration.attack.steps = 3
        configuration.kernels.arithmetic = arithmetic
        return configuration
    }

    private func trained(_ configuration: RunConfiguration, in name: String) throws -> Trainer {
        let scratch = try ScratchFolder()
        let trainer = try Trainer(configuration, communicator: SoloCommunicator(), threads: 1, checkpoint: nil)
        try trainer.record(in: try RunDirectory(scratch(name), opening: .fresh), ownsCheckpoint: false)
        #expect(try trainer.run() == .done)
        return trainer
    }

    @Test("Images made with bf16 factors have the loss of those made with floats, to 1%", arguments: [7, 10])
    func loss(_ steps: Int) throws {
        let trainer = try trained(configuration(.fast), in: "loss")
        let (images, labels, samples) = trainer.data.train.chunk(
            Array(trainer.data.trainIndices.prefix(64)), workspace: trainer.workspace)
        var settings = RunConfiguration.Attack()
        settings.steps = steps
        let attack = try #require(settings.networkAttack(for: .training))
        func loss(_ adversarial: Tensor) throws -> Double {
            let pass = trainer.step.passes.frozen(samples: [samples])
            let objective = CrossEntropyObjective(labels: [labels])
            var inquiry = Inquiry(NetworkTarget(trainer.network, pass), objective, labels: [labels])
            let losses = try inquiry.outcomes([adversarial])[0].losses
            return losses.reduce(0, +) / Double(losses.count)
        }
        func attacked(_ arithmetic: Arithmetic) throws -> Tensor {
            var passes = trainer.step.passes
            passes.arithmetic = arithmetic
            return try attack.perturb(
                AttackBatch(images: [images], labels: [labels], samples: [samples], seed: 1, step: 0), passes)[0]
        }
        let clean = try loss(images)
        let float = try attacked(.fast)
        // Filters of both kinds are kept side by side, so that neither attack sees those of the other.
        let half = try attacked(.bfloat16)
        #expect(try attacked(.fast).toArray() == float.toArray())
        #expect(half.toArray() != float.toArray())
        let (exact, found) = (try loss(float), try loss(half))
        #expect(exact > clean + 0.1, "the attack does something")
        #expect(abs(found - exact) <= 0.01 * exact, "\(found) \(exact), clean \(clean)")
    }

    @Test("Training passes stay in floats: without an attack nothing changes, with one the images alone")
    func trainingPasses() throws {
        func weights(_ method: RunConfiguration.Training.Method, _ arithmetic: Arithmetic) throws -> [Float] {
            var configuration = configuration(arithmetic)
            configuration.training.method = method
            configuration.training.epochs = 1
            let trainer = try trained(configuration, in: "\(method.rawValue)-\(arithmetic.rawValue)")
            #expect(trainer.step.passes.arithmetic == .fast)
            return Array(trainer.network.parameters.values)
        }
        #expect(try weights(.standard, .bfloat16) == weights(.standard, .fast))
        #expect(try weights(.pgd, .bfloat16) != weights(.pgd, .fast))
    }
}
