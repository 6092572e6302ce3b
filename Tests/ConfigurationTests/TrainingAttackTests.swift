import Collectives
import Datasets
import Testing

@testable import Configuration

@Suite("The attacks of a configuration")
struct TrainingAttackTests {
    private func resolve(_ yaml: String) throws -> RunConfiguration {
        try RunConfiguration.resolve(layers: [ConfigurationLayer(yaml: yaml, origin: "run.yaml")])
    }

    /// What the method of a run calls the images of its passes.
    private func inputs(_ run: RunConfiguration) -> [String] {
        run.trainingMethod(DatasetName.cifar10.traits, SoloCommunicator()).inputs
    }

    @Test("Methods make the attack they are known for, and tables call their inputs by it")
    func methods() throws {
        #expect(try resolve("training: {method: standard}").trainingAttack == nil)
        #expect(try inputs(resolve("training: {method: standard}")) == ["clean"])
        #expect(try resolve("training: {method: pgd}").trainingAttack?.steps == 10)
        #expect(try inputs(resolve("training: {method: pgd}")) == ["pgd-linf-8of255-10"])
        let fast = try resolve("{training: {method: fast}, attack: {step_size: 10/255}}")
        #expect(fast.trainingAttack?.steps == 1 && fast.trainingAttack?.resolvedStart == .uniform)
        #expect(inputs(fast) == ["pgd-linf-8of255-1"])
        let sign = try resolve("{training: {method: fast}, attack: {name: fgsm, epsilon: 4/255}}")
        #expect(sign.trainingAttack?.resolvedStart == .uniform && sign.attack.resolvedStart == .none)
        let free = try resolve("{training: {method: free, free: {replays: 6}}, attack: {epsilon: 4/255}}")
        #expect(free.trainingAttack == nil && inputs(free) == ["free-linf-4of255-6"])
    }

    @Test("Without a list, evaluations use the training attack without its noise; sweeps multiply what there is")
    func evaluation() throws {
        let own = try resolve("attack: {steps: 3, routing: noisy}").resolvedEvaluationAttacks
        #expect(own.map(\.resolvedId) == ["pgd-linf-8of255-3"] && own[0].routing == .deterministic)
        let swept = try resolve(
            """
            evaluation:
              attacks: [{}, {name: fgsm}, {name: apgd-ce, id: auto}, {name: none}]
              steps: [5, 20]
              epsilons: [4/255, 16/255]
            """
        ).resolvedEvaluationAttacks
        #expect(
            swept.map(\.resolvedId) == [
                "pgd-linf-4of255-5", "pgd-linf-16of255-5", "pgd-linf-4of255-20", "pgd-linf-16of255-20",
                "fgsm-linf-4of255", "fgsm-linf-16of255", "auto-5-4of255", "auto-5-16of255", "auto-20-4of255",
                "auto-20-16of255",
            ])
        #expect(abs(swept[0].stepSize - 1.0 / 255) < 1e-15 && abs(swept[1].stepSize - 4.0 / 255) < 1e-15)
    }

    @Test("The reference's preset lies above the defaults and below files and the command line")
    func preset() throws {
        let run = try resolve("preset: robust-sparse-moes")
        #expect(run.training.globalBatch == 640 && run.training.validationFraction == 0.2)
        #expect(run.training.optimizer.nesterov && run.training.optimizer.weightDecay == 5e-4)
        #expect(run.training.schedule.name == .poly && run.training.schedule.per == .epoch)
        #expect(run.training.schedule.warmup == .product)
        #expect(run.attack.epsilon == 0.03137 && run.attack.stepSize == 0.00784313725 && run.attack.steps == 7)
        #expect(run.attack.batchNorm == .batchUpdating && run.attack.routing == .noisy)
        #expect(run.data.dataset == .cifar100 && run.data.resolvedAugmentation == [.crop, .flip, .colorJitter])
        #expect(
            run.resolvedEvaluationAttacks.map(\.resolvedId) == ["pgd-linf-8of255-20", "apgd-ce-linf-8of255-20"])
        #expect(run.resolvedEvaluationAttacks.allSatisfy { $0.batchNorm == .frozen && $0.routing == .deterministic })
        #expect(run.evaluation.attacksEveryEpochs == 0 && run.training.methods.free.replayBalanceFactor == 2)
        let layers = [
            ConfigurationLayer(
                yaml: "preset: robust-sparse-moes\nattack: {epsilon: 4/255}\ntraining: {epochs: 200}", origin: "f"),
            ConfigurationLayer(override: "training.epochs=3"),
        ]
        let above = try RunConfiguration.resolve(layers: layers)
        #expect(above.attack.epsilon == 4.0 / 255 && above.attack.steps == 7 && above.training.epochs == 3)
        // What a run writes has every key, the preset's too, and reads back as the same.
        #expect(try resolve(above.yaml()) == above)
        #expect { _ = try resolve("preset: robust-sparse-moe") } throws: {
            "\($0)".contains("did you mean robust-sparse-moes?")
        }
    }
}
