/// The tables of a run or of an evaluation.
///
/// To add one, write its kind of row and add a case: run directories, `--force`, resumption and reports walk the cases.
package enum RunTable: String, CaseIterable, Sendable {
    case metrics, experts, routing, evaluation
    case perSample = "per_sample"
    case perSampleLong = "per_sample_long"
    case classes
    case expertClasses = "expert_classes"
    case dissection
    case maskOverlap = "mask_overlap"
    case routerScores = "router_scores"
    case fixedExperts = "fixed_experts"
    case cost
    case examples

    /// The name in the directory of the run.
    package var fileName: String { rawValue + ".csv" }

    /// Whether `train` writes the table too, and a run that goes on cuts it back to its checkpoint.
    package var isOfTraining: Bool {
        switch self {
        case .metrics, .experts, .routing, .evaluation: true
        case .perSample, .perSampleLong, .classes, .expertClasses, .dissection, .maskOverlap, .routerScores,
            .fixedExperts, .cost,
            .examples:
            false
        }
    }

    /// Whether reports on many runs put the rows of all of them below each other.
    package var isJoined: Bool {
        switch self {
        case .evaluation, .routing, .experts, .fixedExperts, .dissection, .maskOverlap, .routerScores: true
        case .metrics, .perSample, .perSampleLong, .classes, .expertClasses, .cost, .examples: false
        }
    }

    /// The kind of row; nil for the one table whose columns depend on the attacks, which ``PerSampleTable`` writes.
    var rowType: (any CSVRow.Type)? {
        switch self {
        case .metrics: MetricsRow.self
        case .experts: ExpertRow.self
        case .routing: RoutingRow.self
        case .evaluation: EvaluationRow.self
        case .perSample: nil
        case .perSampleLong: PerSampleLongRow.self
        case .classes: ClassRow.self
        case .expertClasses: ExpertClassRow.self
        case .dissection: DissectionRow.self
        case .maskOverlap: MaskOverlapRow.self
        case .routerScores: RouterScoreRow.self
        case .fixedExperts: FixedExpertRow.self
        case .cost: CostRow.self
        case .examples: ExampleRow.self
        }
    }
}
