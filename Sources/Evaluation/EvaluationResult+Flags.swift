import Attacks
import NetworkAttacks

extension EvaluationResult {
    /// Every reason not to believe the figures as they stand, those of all rows first.
    package func flags(_ subject: EvaluationSubject) -> [RedFlag] {
        ownFlags + inputs.flatMap { $0.settingFlags(subject.training) }
    }

    /// What the reader of the figures should be told first, a line a flag; what is so of a whole ladder, not of each stage.
    package func warnings(_ subject: EvaluationSubject) -> [String] {
        let flags = flags(subject)
        return flags.filter { flag in
            !inputs.contains { ladder in
                ladder.stages.contains { $0.name == flag.inputs }
                    && flags.contains { $0.inputs == ladder.name && $0.kind == flag.kind }
            }
        }.map(\.message)
    }

    /// What outputs, paths, results and trials tell.
    static func flags(_ inputs: [Inputs], _ chunks: [EvaluationChunk], suffix: String) -> [RedFlag] {
        outputFlags(chunks) + inputs.flatMap(\.ownFlags) + ComparisonChecks.flags(inputs.flatMap(\.records))
            + chunks.flatMap { chunk in chunk.trials.flatMap { flags($0, chunk, suffix) } }
    }

    private static func outputFlags(_ chunks: [EvaluationChunk]) -> [RedFlag] {
        let kinds = chunks.flatMap(\.outputs)
        var flags: [RedFlag] = []
        if kinds.contains(.randomized) {
            flags.append(RedFlag(.randomized, nil, "the same images give other outputs when they are passed once more"))
        }
        if kinds.contains(.probabilities) {
            flags.append(RedFlag(.probabilities, nil, "outputs lie in [0, 1] and add up to 1"))
        }
        let changes = chunks.flatMap(\.instability)
        let mean = changes.reduce(0, +) / Double(max(1, changes.count))
        if mean > OutputChecks.leastInstability {
            flags.append(
                RedFlag(
                    .unstablePredictions, nil,
                    "the loss changes by \(Int((100 * mean).rounded()))% of itself within "
                        + "\(Int((OutputChecks.neighborhood * 255).rounded()))/255 of the images"))
        }
        return flags
    }

    private static func flags(_ trial: EvaluationChunk.Trial, _ chunk: EvaluationChunk, _ suffix: String) -> [RedFlag] {
        RadiusChecks.flags(
            trial.kind, inputs: trial.inputs + suffix, clean: chunk.outcomes[0].isCorrect(chunk.labels),
            attacked: trial.isCorrect, wasFooled: trial.wasFooled)
    }
}

extension EvaluationResult.Inputs {
    /// What the checks of rows look at: an attack, or each stage of a ladder; none of clean images, nor of verdicts on held
    /// routes, which are not the network's.
    var records: [AttackRecord] {
        guard let attack else { return [] }
        return attack.isLadder
            ? stages.filter { $0.attack.routing != .held }.map { $0.attack.record($0.name, isRight: $0.isRight) }
            : attack.judgesNetwork ? [attack.stages[0].record(name, isRight: isRight)] : []
    }

    /// What settings tell: of an attack, or of each stage of a ladder, and of the ladder too where it is so of all stages.
    fileprivate func settingFlags(_ training: (norm: PerturbationBall.Norm, epsilon: Double)?) -> [RedFlag] {
        let flags = records.map { SettingChecks.flags($0, training: training) }
        guard let attack, attack.isLadder, let first = flags.first else { return flags.flatMap { $0 } }
        let common = first.filter { flag in flags.allSatisfy { $0.contains { $0.kind == flag.kind } } }
        return common.map { RedFlag($0.kind, name, $0.finding) } + flags.flatMap { $0 }
    }

    /// What an attack's way to its images told, and whether it moved any.
    fileprivate var ownFlags: [RedFlag] {
        guard let attack else { return [] }
        func flags(_ name: String, isUnmoved: Bool, _ findings: [[RedFlag.Kind]], right: Int) -> [RedFlag] {
            (isUnmoved ? [RedFlag(.noImageMoved, name, "moved no image")] : [])
                + PathChecks.flags(findings, right: right, inputs: name)
        }
        let ofStages = stages.flatMap { stage in
            flags(
                stage.name, isUnmoved: stage.attacked > 0 && stage.moved == 0, stage.findings, right: stage.correct)
        }
        return ofStages + flags(name, isUnmoved: isUnmoved, attack.isLadder ? [] : findings, right: correct)
    }
}
