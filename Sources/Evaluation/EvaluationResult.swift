import Files
import NetworkAttacks
import Networks

/// A whole evaluation, put together from its chunks in their order.
package struct EvaluationResult {
    /// One set of inputs: the clean images, or an attack on them.
    package struct Inputs {
        /// `clean`, or the attack's id.
        package let name: String
        package let attack: NetworkAttack?
        package let samples: Int
        package let correct: Int
        package let taskLoss: Double
        package let balanceLoss: Double
        package let layers: [ExpertUsage]
        /// For each mixture layer, images whose set of experts differs from the clean one.
        package let flips: [Int]
        /// For each mixture layer, (image of a class, chosen expert) pairs, `[expert][class]`.
        package let expertClasses: [[[Int]]]
        package let confusion: ClassCounts
        /// How experts and predictions gave way; nil without mixtures.
        package let dissection: Dissection?
        package let seconds: Double
        package var accuracy: Double { Double(correct) / Double(max(1, samples)) }
    }

    package let inputs: [Inputs]
    /// Images that no attack fooled and that are right when clean.
    package let worstCaseCorrect: Int
    package let samples: Int
    package let perSample: [PerSampleRow]
    /// What the names of inputs end in.
    package let suffix: String

    /// The suffix of evaluations of averaged weights.
    package static let averageSuffix = "@average"

    package init(
        chunks: [EvaluationChunk], attacks: [NetworkAttack], network: Network, classes: Int,
        secondsOfRankZero: [Double], suffix: String = "", mask: MaskOverlap? = nil
    ) {
        self.suffix = suffix
        let names = (["clean"] + attacks.map(\.id)).map { $0 + suffix }
        let mixture = network.settings.mixture?.router
        samples = chunks.reduce(0) { $0 + $1.indices.count }
        var inputs: [Inputs] = []
        for (index, name) in names.enumerated() {
            var correct = 0
            var loss = 0.0
            var layers: [ExpertUsage] = []
            var outputs: [ExpertOutputs] = []
            let count = chunks.first?.outcomes[index].chosen.count ?? 0
            var flips = [Int](repeating: 0, count: count)
            let none = [[Int]](repeating: [Int](repeating: 0, count: classes), count: mixture?.experts ?? 0)
            var expertClasses = [[[Int]]](repeating: none, count: count)
            var confusion = ClassCounts(classes: classes)
            for chunk in chunks {
                let outcome = chunk.outcomes[index]
                correct += zip(outcome.predictions, chunk.labels).count { $0 == $1 }
                loss = outcome.losses.reduce(loss, +)
                ExpertUsage.add(outcome.layers, to: &layers)
                ExpertOutputs.add(outcome.outputs, to: &outputs)
                confusion.add(labels: chunk.labels, predictions: outcome.predictions)
                for layer in flips.indices {
                    flips[layer] += chunk.flips(index, layer: layer)
                    chunk.forEachChoice(index, layer: layer) { image, expert in
                        expertClasses[layer][expert][chunk.labels[image]] += 1
                    }
                }
            }
            let balance = mixture.map { settings in
                zip(layers, outputs).reduce(0.0) { total, layer in
                    total + (layer.0.isRouted ? settings.balanceLoss(layer.0.sums, layer.1) : 0)
                }
            }
            inputs.append(
                Inputs(
                    name: name, attack: index == 0 ? nil : attacks[index - 1], samples: samples, correct: correct,
                    taskLoss: loss / Double(max(1, samples)), balanceLoss: balance ?? 0, layers: layers, flips: flips,
                    expertClasses: expertClasses, confusion: confusion,
                    dissection: Self.dissection(chunks, index, mask),
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
    package var robustAccuracy: Double { Double(worstCaseCorrect) / Double(max(1, samples)) }

    private var flags: String? { suffix == EvaluationResult.averageSuffix ? "weight-average" : nil }

    /// Rows of `evaluation.csv`: clean, each attack, and the pointwise worst over all of them.
    package func rows(checkpoint: String, sha256: String?, dataset: String, split: String, seed: UInt64)
        -> [EvaluationRow]
    {
        var rows = inputs.map { input in
            let attack = input.attack
            let search = attack?.description
            return EvaluationRow(
                checkpoint: checkpoint, checkpointSHA256: sha256, dataset: dataset, split: split, samples: samples,
                attack: attack == nil ? "none" + suffix : input.name, norm: search?.norm?.rawValue,
                epsilon: search?.epsilon, stepSize: search?.stepSize, steps: search?.steps,
                restarts: search?.restarts, objective: search?.steps == nil ? nil : attack?.objective.rawValue,
                randomStart: search?.isRandom, batchNorm: "frozen",
                routing: attack?.routing == .clean ? "clean" : "deterministic",
                seed: attack == nil ? nil : Int(truncatingIfNeeded: seed), correct: input.correct,
                seconds: input.seconds, flags: flags)
        }
        if inputs.count > 1 {
            rows.append(
                EvaluationRow(
                    checkpoint: checkpoint, checkpointSHA256: sha256, dataset: dataset, split: split, samples: samples,
                    attack: "worst-case" + suffix, correct: worstCaseCorrect, flags: flags))
        }
        return rows
    }
}

extension EvaluationChunk {
    /// Calls `body` with every image of the chunk and each expert that it chose in a layer.
    package func forEachChoice(_ outcome: Int, layer: Int, _ body: (_ image: Int, _ expert: Int) -> Void) {
        for image in labels.indices {
            for expert in experts(outcome, layer: layer, image: image) { body(image, expert) }
        }
    }

    /// Images whose set of experts in a layer is not that of the clean image.
    package func flips(_ outcome: Int, layer: Int) -> Int {
        if outcome == 0 { return 0 }
        return labels.indices.count { image in
            Set(experts(outcome, layer: layer, image: image)) != Set(experts(0, layer: layer, image: image))
        }
    }

    /// The experts that an image chose, layer by layer.
    package func choices(_ outcome: Int, image: Int) -> [[Int]] {
        outcomes[outcome].chosen.indices.map { Array(experts(outcome, layer: $0, image: image)) }
    }

    private func experts(_ outcome: Int, layer: Int, image: Int) -> ArraySlice<Int> {
        let chosen = outcomes[outcome].chosen[layer]
        let choices = chosen.count / labels.count
        return chosen[image * choices..<(image + 1) * choices]
    }
}
