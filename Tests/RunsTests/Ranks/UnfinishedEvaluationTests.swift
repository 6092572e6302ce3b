import Collectives
import Foundation
import NetworkAttacks
import TestSupport
import Testing

@testable import Configuration
@testable import Evaluation
@testable import Files
@testable import Runs

extension RankTests.Evaluations {
    private var indices: [Int] { [0, 1, 2, 4, 5, 6, 7, 9, 10] }

    private func identity(_ configuration: RunConfiguration, weights: String = "ab") -> UnfinishedEvaluation.Identity {
        configuration.evaluationIdentity(weights: [weights], images, indices)
    }

    @Test("An evaluation that is stopped again and again ends with the bytes of one that was not")
    func stoppedOften() throws {
        var configuration = MixtureCase.all[0].configuration
        configuration.evaluation.chunk = 2
        let scene = try RankScene(configuration, images: 8)
        let folder = try ScratchFolder()
        var whole = evaluator(scene, communicator)
        var attack = RunConfiguration.Attack()
        attack.steps = 3
        let attacks = [try #require(attack.evaluatedAttack)]
        let expected = try evaluator(scene, SoloCommunicator()).run(images, indices, attacks: attacks).result
        var stops = 0
        var result: EvaluationResult?
        while true {
            let unfinished =
                try communicator.isRoot ? self.unfinished(folder("out"), identity(configuration)) : nil
            whole.store = unfinished
            var passes = 0
            // A chunk has six passes: each time one chunk and a part of the next are made by rank 0.
            whole.wantsToStop = {
                passes += 1
                return communicator.isRoot && passes > 10
            }
            guard case .finished(let found) = try whole.run(images, indices, attacks: attacks) else {
                stops += 1
                #expect(stops < 9, "every time at least one chunk more is finished")
                if stops > 9 { return }
                continue
            }
            result = found
            break
        }
        if communicator.size == 1 { #expect(stops > 1) }
        guard let result, let expected else { return }
        #expect(try bytes(result) == bytes(expected))
    }

    private func unfinished(
        _ path: String, _ identity: UnfinishedEvaluation.Identity
    ) throws -> UnfinishedEvaluation {
        let directory = try RunDirectory(path, opening: .resume)
        return FileSystem.exists(directory.file(RunDirectory.unfinishedName))
            ? try UnfinishedEvaluation(resuming: directory, identity) : UnfinishedEvaluation(directory, identity)
    }

    @Test("What another evaluation has finished is refused, and what differs is named")
    func otherEvaluation() throws {
        guard communicator.isRoot else { return }
        let folder = try ScratchFolder()
        let configuration = MixtureCase.all[0].configuration
        let begun = try unfinished(folder("out"), identity(configuration))
        try begun.keep("", EvaluationChunk(chunk: 3, indices: [6], labels: [0], outcomes: []))
        #expect(try unfinished(folder("out"), identity(configuration)).finished("").map(\.chunk) == [3])
        #expect(try unfinished(folder("out"), identity(configuration)).finished("other").isEmpty)
        func expectRefusal(_ words: [String], _ identity: UnfinishedEvaluation.Identity) {
            #expect {
                _ = try unfinished(folder("out"), identity)
            } throws: { error in
                words.allSatisfy { "\(error)".contains($0) } && ExitStatus(error) == .checkpoint
            }
        }
        expectRefusal(["weights: it was begun with ab, now there is cd"], identity(configuration, weights: "cd"))
        var other = configuration
        other.evaluation.seed = 99
        expectRefusal(["evaluation.seed", "99"], identity(other))
        expectRefusal(
            ["images: it was begun with 9, now there is 2", "indices"],
            configuration.evaluationIdentity(weights: ["ab"], images, [1, 2]))
        // Neither a time limit nor ranks' threads change a result.
        other = configuration
        other.evaluation.timeLimit = RunConfiguration.TimeLimit(seconds: 5)
        other.distributed.threads = .given(3)
        other.evaluation.everyEpochs = 7
        #expect(try unfinished(folder("out"), identity(other)).finished("").count == 1)
        try begun.remove()
        #expect(!FileSystem.exists(folder("out/" + RunDirectory.unfinishedName)))
    }
}
