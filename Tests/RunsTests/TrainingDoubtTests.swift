import Testing

@testable import Configuration
@testable import Files
@testable import Networks
@testable import Runs

@Suite("Batches and exceptions that were probably not meant")
struct TrainingDoubtTests {
    @Test("A batch above the images, or below the ranks, is a sentence; one between is none")
    func batches() {
        var run = RunConfiguration()
        run.training.globalBatch = 8
        #expect(run.batchDoubts(images: 8, ranks: 8).isEmpty)
        #expect(
            run.batchDoubts(images: 7, ranks: 1) == [
                "training.global_batch is 8, there are 7 training images: every step takes all of them"
            ])
        #expect(
            run.batchDoubts(images: 100, ranks: 11) == [
                "training.global_batch is 8 for 11 ranks: 3 of them have no image in a step"
            ])
    }

    @Test("Exceptions to decay name parameters by the end or the beginning of their names; others are refused")
    func exclusions() throws {
        var run = RunConfiguration()
        run.model.width = 4
        let network = try Network(run.networkSettings(run.data.dataset.traits), seed: 0)
        for entry in ["bias", "bn1.weight", "layer4", "*.1"] {
            run.training.optimizer.decayExclude = [entry]
            try run.checkExclusions(network.parameters)
        }
        run.training.optimizer.decayExclude = ["bias", "layer5"]
        #expect {
            try run.checkExclusions(network.parameters)
        } throws: {
            "\($0)".contains("training.optimizer.decay_exclude: no parameter of the network is called layer5")
                && ExitStatus($0) == .usage
        }
    }
}
