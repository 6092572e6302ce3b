import Configuration
import Evaluation
import Files
import NetworkAttacks
import Networks
import Training

extension Trainer {
    /// Whether the evaluation after this many epochs attacks.
    func isAttacked(epoch: Int) -> Bool {
        guard let every = configuration.evaluation.attacksEveryEpochs, epoch < configuration.training.epochs else {
            return true
        }
        return every > 0 && epoch % every == 0
    }

    /// Makes the evaluation that is due, if nobody asks to stop meanwhile; collective.
    func evaluate() throws -> ExitStatus {
        let start = ContinuousClock.now
        let isAttackDue = isAttacked(epoch: done / stepsPerEpoch)
        let attacks = isAttackDue ? configuration.evaluatedAttacks(of: network) : []
        try beginEvaluation()
        guard case .finished(let result) = try evaluate(attacks, suffix: "") else { return .stoppedEarly }
        var results = [result].compactMap { $0 }
        let average = try step.average?.withAverages(in: network) {
            try evaluate(attacks, suffix: EvaluationResult.averageSuffix)
        }
        switch average {
        case .stopped: return .stoppedEarly
        case .finished(let result): results += [result].compactMap { $0 }
        case nil: break
        }
        let probe = try attacks.first.map(probe)
        if case .stopped? = probe { return .stoppedEarly }
        for result in results {
            try record(result, probe: result.suffix.isEmpty ? probe?.result?.inputs.last : nil)
        }
        estimate.addEvaluation(attacked: isAttackDue, seconds: start.seconds)
        // Only the same measure compares epochs.
        let isComparable = isAttackDue || configuration.resolvedEvaluationAttacks.isEmpty
        let isBest =
            result.map { result in
                data.hasValidation && configuration.resolvedEvaluationSplit == .validation && isComparable
                    && result.robustAccuracy > bestRobustAccuracy ?? -1
            } ?? false
        if isBest { bestRobustAccuracy = result?.robustAccuracy }
        isEvaluationDue = false
        try saveEvaluation(isBest: isBest)
        try unfinished?.remove()
        unfinished = nil
        return .done
    }

    /// Takes up what an evaluation of the last checkpoint has finished before it was cut short; rank 0 alone.
    private func beginEvaluation() throws {
        guard let recorder, let saved else { return }
        reporter = EvaluationReporter { try recorder.sayProgress($0) }
        var settings = configuration
        // What the evaluation of this step attacks with.
        if !isAttacked(epoch: done / stepsPerEpoch) { settings.evaluation.attacks = [] }
        let identity = settings.evaluationIdentity(
            weights: [Checkpoint.modelFile, Checkpoint.stateFile].compactMap { saved.files[$0]?.sha256 },
            data.evaluation.set, data.evaluation.indices)
        let directory = recorder.directory
        unfinished = UnfinishedEvaluation(directory, identity)
        guard FileSystem.exists(directory.file(RunDirectory.unfinishedName)) else { return }
        do {
            let begun = try UnfinishedEvaluation(resuming: directory, identity)
            try recorder.say("evaluation goes on with what was finished before")
            unfinished = begun
        } catch let error as RunError {
            // It is of another step, or made with other attacks: then it begins anew.
            try directory.log("\(error)")
            try directory.removeUnfinished()
        }
    }

    /// Evaluates the network as it is; collective.
    private func evaluate(_ attacks: [EvaluatedAttack], suffix: String) throws -> Evaluator.Outcome {
        try evaluator.run(data.evaluation.set, data.evaluation.indices, attacks: attacks, suffix: suffix)
    }

    /// Evaluates the images of the probe under an attack, if there are any; collective.
    private func probe(_ attack: EvaluatedAttack) throws -> Evaluator.Outcome {
        if data.probe.isEmpty { return .finished(nil) }
        var evaluator = evaluator
        evaluator.part = "probe"
        return try evaluator.run(data.train, data.probe, attacks: [attack])
    }

    private var evaluator: Evaluator {
        Evaluator(
            step.passes, communicator, chunk: configuration.evaluation.chunk, seed: configuration.evaluationSeed,
            store: unfinished, report: { [reporter] in try reporter?.report($0) },
            wantsToStop: { [self] in wantsToStop })
    }

    private func record(_ result: EvaluationResult, probe: EvaluationResult.Inputs?) throws {
        guard let recorder else { return }
        let subject = configuration.evaluationSubject(checkpoint: CheckpointStore.name(ofStep: done), sha256: nil)
        try recorder.record(
            result, subject, epoch: done / stepsPerEpoch, step: done, probe: probe,
            checkpointSeconds: takeCheckpointSeconds())
        for input in result.inputs { try recorder.say("  \(subject.split) \(Console.line(input))", .notice) }
        if result.inputs.count > 1 {
            let accuracy = Console.accuracy(result.worstCaseCorrect, of: result.samples)
            try recorder.say("  \(subject.split) worst case\(result.suffix): \(accuracy)", .notice)
        }
        try recorder.warnOfRouting(result, split: subject.split)
        guard let probe, let judged = result.inputs.first(where: { $0.name == probe.name }) else { return }
        try recorder.say(
            "  probe \(Console.line(probe)), trained on: robust gap \(Console.percent(probe.accuracy - judged.accuracy))",
            .notice)
        let alarms = watch.note(
            judged: (judged.accuracy, judged.samples), probe: (probe.accuracy, probe.samples))
        for alarm in alarms { try recorder.say(alarm, .warning) }
    }
}
