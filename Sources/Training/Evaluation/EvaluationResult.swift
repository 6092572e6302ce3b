import Networks

/// A whole evaluation, put together from its chunks in their order.
struct EvaluationResult {
    /// One set of inputs: the clean images, or an attack on them.
    struct Inputs {
        /// `clean`, or the attack's id.
        let name: String
        let attack: RunConfiguration.Attack?
        let samples: Int
        let correct: Int
        let taskLoss: Double
        let balanceLoss: Double
        let layers: [TrainingWindow.Layer]
        let flips: [Int]
        let seconds: Double
        var accuracy: Double { Double(correct) / Double(max(1, samples)) }
    }

    let inputs: [Inputs]
    /// Images that no attack fooled and that are right when clean.
    let worstCaseCorrect: Int
    let samples: Int
    let perSample: [PerSampleRow]

    init(
        chunks: [EvaluationChunk], attacks: [RunConfiguration.Attack], network: ResNet, secondsOfRankZero: [Double]
    ) {
        let names = ["clean"] + attacks.map(\.resolvedId)
        let mixture = network.settings.mixture?.router
        samples = chunks.reduce(0) { $0 + $1.indices.count }
        var inputs: [Inputs] = []
        for (index, name) in names.enumerated() {
            var correct = 0
            var loss = 0.0
            var layers: [TrainingWindow.Layer] = []
            var flips = [Int](repeating: 0, count: chunks.first?.outcomes[index].flips.count ?? 0)
            for chunk in chunks {
                let outcome = chunk.outcomes[index]
                correct += zip(outcome.predictions, chunk.labels).count { $0 == $1 }
                loss = outcome.losses.reduce(loss, +)
                TrainingWindow.add(outcome.layers, to: &layers)
                for layer in flips.indices { flips[layer] += outcome.flips[layer] }
            }
            let balance = mixture.map { settings in
                layers.reduce(0.0) { total, layer in
                    total + (layer.sums.images > 0 ? settings.balanceWeight * settings.balance.value(layer.sums) : 0)
                }
            }
            inputs.append(
                Inputs(
                    name: name, attack: index == 0 ? nil : attacks[index - 1], samples: samples, correct: correct,
                    taskLoss: loss / Double(max(1, samples)), balanceLoss: balance ?? 0, layers: layers, flips: flips,
                    seconds: index < secondsOfRankZero.count ? secondsOfRankZero[index] : 0))
        }
        self.inputs = inputs
        perSample = chunks.flatMap { chunk in
            chunk.indices.indices.map { image in
                PerSampleRow(
                    index: chunk.indices[image], label: chunk.labels[image],
                    cleanPrediction: chunk.outcomes[0].predictions[image], cleanLoss: chunk.outcomes[0].losses[image],
                    outcomes: chunk.outcomes.dropFirst().map {
                        .init(prediction: $0.predictions[image], loss: $0.losses[image], distance: $0.distances[image])
                    })
            }
        }
        worstCaseCorrect = perSample.count { $0.robust }
    }

    /// The lowest accuracy over the attacks, taken image by image; what `best` is chosen by.
    var robustAccuracy: Double { Double(worstCaseCorrect) / Double(max(1, samples)) }

    /// Rows of `evaluation.csv`: clean, each attack, and the pointwise worst over all of them.
    func rows(checkpoint: String, sha256: String?, dataset: String, split: String, seed: UInt64) -> [EvaluationRow] {
        var rows = inputs.map { input in
            let attack = input.attack
            return EvaluationRow(
                checkpoint: checkpoint, checkpointSHA256: sha256, dataset: dataset, split: split, samples: samples,
                attack: attack == nil ? "none" : input.name, norm: attack?.norm.rawValue, epsilon: attack?.epsilon,
                stepSize: attack.flatMap { $0.name == .pgd ? $0.stepSize : nil },
                steps: attack.map { $0.name == .fgsm ? 1 : $0.steps },
                restarts: attack?.restarts, objective: attack?.resolvedObjective.rawValue,
                randomStart: attack.map { $0.name == .pgd && $0.resolvedStart != .none }, batchNorm: "frozen",
                routing: "deterministic", seed: attack == nil ? nil : Int(truncatingIfNeeded: seed),
                correct: input.correct, seconds: input.seconds)
        }
        if inputs.count > 1 {
            rows.append(
                EvaluationRow(
                    checkpoint: checkpoint, checkpointSHA256: sha256, dataset: dataset, split: split, samples: samples,
                    attack: "worst-case", correct: worstCaseCorrect))
        }
        return rows
    }
}
