import Configuration
import Evaluation

extension RunConfiguration {
    /// What an evaluation of this configuration names itself by.
    /// - Parameters:
    ///   - checkpoint: Which weights.
    ///   - sha256: The SHA-256 of the file that holds them, where they come from one.
    ///   - flags: What the reader should know of all rows.
    func evaluationSubject(checkpoint: String, sha256: String?, flags: [String] = []) -> EvaluationSubject {
        EvaluationSubject(
            checkpoint: checkpoint, sha256: sha256, dataset: data.dataset.rawValue,
            split: resolvedEvaluationSplit.rawValue,
            seed: evaluationSeed, normalization: model.normalize == .dataset ? data.dataset.rawValue : "none",
            flags: flags + (antiAdversary == nil ? [] : ["dynamic"]),
            training: trainingAttack.map { ($0.norm, $0.epsilon) })
    }
}
