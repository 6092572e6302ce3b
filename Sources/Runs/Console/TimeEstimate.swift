/// How long a training run still takes, by what its steps and evaluations took since this process began.
struct TimeEstimate {
    private var steps = 0
    private var stepSeconds = 0.0
    /// Seconds of the last evaluation, attacked ones and others apart.
    private var evaluationSeconds: [Bool: Double] = [:]

    /// Takes note of a step.
    mutating func addStep(seconds: Double) {
        steps += 1
        stepSeconds += seconds
    }

    /// Takes note of an evaluation.
    mutating func addEvaluation(attacked: Bool, seconds: Double) { evaluationSeconds[attacked] = seconds }

    /// Seconds for so many steps and evaluations; nil before the first step.
    ///
    /// An evaluation of a kind that has not been made yet counts nothing, see ``lacks(_:)``.
    func seconds(steps left: Int, attackedEvaluations: Int, cleanEvaluations: Int) -> Double? {
        guard steps > 0 else { return nil }
        return Double(left) * stepSeconds / Double(steps)
            + Double(attackedEvaluations) * (evaluationSeconds[true] ?? 0)
            + Double(cleanEvaluations) * (evaluationSeconds[false] ?? 0)
    }

    /// Whether no evaluation of this kind has been made yet.
    func lacks(attacked: Bool) -> Bool { evaluationSeconds[attacked] == nil }
}
