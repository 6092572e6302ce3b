import Files

extension EvaluationResult.Inputs {
    /// Rows of `classes.csv`.
    package func classRows(split: String, names: [String]) -> [ClassRow] {
        names.enumerated().map { label, title in
            ClassRow(
                split: split, inputs: name, label: label, name: title, samples: confusion.images[label],
                predicted: confusion.predicted[label], correct: confusion.correct[label],
                precision: confusion.precision(label), recall: confusion.recall(label), f1: confusion.f1(label))
        }
    }

    /// Rows of `router_scores.csv`, by layer, expert and interval.
    package func routerScoreRows(split: String) -> [RouterScoreRow] {
        zip(layers, scores).flatMap { $1.rows(split: split, inputs: name, layer: $0.layer) }
    }

    /// Rows of `expert_classes.csv`, by layer, expert and class.
    package func expertClassRows(split: String, names: [String]) -> [ExpertClassRow] {
        zip(layers, expertClasses).flatMap { layer, counts in
            let ofClass = names.indices.map { label in counts.reduce(0) { $0 + $1[label] } }
            return counts.enumerated().flatMap { expert, row in
                let ofExpert = row.reduce(0, +)
                return names.enumerated().map { label, title in
                    ExpertClassRow(
                        split: split, inputs: name, layer: layer.layer, expert: expert, label: label, name: title,
                        count: row[label],
                        shareOfClass: ofClass[label] > 0 ? Double(row[label]) / Double(ofClass[label]) : nil,
                        shareOfExpert: ofExpert > 0 ? Double(row[label]) / Double(ofExpert) : nil)
                }
            }
        }
    }
}
