import Files
import NetworkAttacks
import Networks

/// A whole evaluation, put together from its chunks in their order.
package struct EvaluationResult {
    /// One set of inputs: the clean images, or an attack on them.
    package struct Inputs {
        /// `clean`, or the attack's id.
        package let name: String
        package let attack: EvaluatedAttack?
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
        /// Whether there was an attack, and every image stayed as it was.
        package let isUnmoved: Bool
        /// What each stage of a ladder came to; none of other attacks.
        package let stages: [Stage]
        package var accuracy: Double { Double(correct) / Double(max(1, samples)) }
    }

    /// One stage of a ladder, over all chunks.
    package struct Stage {
        /// `<ladder>/<stage>`.
        package let name: String
        package let attack: NetworkAttack
        /// Images that were still right before it.
        package let attacked: Int
        /// Of these, the images that it moved.
        package let moved: Int
        /// Images that are right when clean, after it and after all before it.
        package let correct: Int
        package let seconds: Double
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
        chunks: [EvaluationChunk], attacks: [EvaluatedAttack], network: Network, classes: Int, suffix: String = "",
        mask: MaskOverlap? = nil
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
            var isUnmoved = index > 0
            var seconds = 0.0
            for chunk in chunks {
                let outcome = chunk.outcomes[index]
                isUnmoved = isUnmoved && outcome.distances.allSatisfy { $0 == 0 }
                correct += outcome.isCorrect(chunk.labels).count { $0 }
                if chunk.rank == 0 { seconds += outcome.seconds }
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
            let attack = index == 0 ? nil : attacks[index - 1]
            inputs.append(
                Inputs(
                    name: name, attack: attack, samples: samples, correct: correct,
                    taskLoss: loss / Double(max(1, samples)), balanceLoss: balance ?? 0, layers: layers, flips: flips,
                    expertClasses: expertClasses, confusion: confusion,
                    dissection: Self.dissection(chunks, index, mask),
                    seconds: seconds, isUnmoved: isUnmoved,
                    stages: attack.map { Self.stages(of: $0, chunks, index, suffix) } ?? []))
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

    private static func stages(
        of attack: EvaluatedAttack, _ chunks: [EvaluationChunk], _ outcome: Int, _ suffix: String
    ) -> [Stage] {
        guard attack.isLadder else { return [] }
        return attack.stages.enumerated().map { number, stage in
            let parts = chunks.map { ($0.outcomes[outcome].stages[number], $0.rank) }
            return Stage(
                name: attack.name(ofStage: number) + suffix, attack: stage,
                attacked: parts.reduce(0) { $0 + $1.0.attacked }, moved: parts.reduce(0) { $0 + $1.0.moved },
                correct: parts.reduce(0) { $0 + $1.0.isCorrect.count { $0 } },
                seconds: parts.reduce(0) { $0 + ($1.1 == 0 ? $1.0.seconds : 0) })
        }
    }

    /// The lowest accuracy over the attacks, taken image by image; what `best` is chosen by.
    package var robustAccuracy: Double { Double(worstCaseCorrect) / Double(max(1, samples)) }

    private static func flags(_ subject: EvaluationSubject, _ own: [String]) -> String? {
        let flags = own + subject.flags
        return flags.isEmpty ? nil : flags.joined(separator: ";")
    }

    /// Rows of `evaluation.csv`: clean, each attack, and the pointwise worst over all of them.
    package func rows(_ subject: EvaluationSubject) -> [EvaluationRow] {
        let ofWeights = suffix == EvaluationResult.averageSuffix ? ["weight-average"] : []
        func row(_ attack: String, correct: Int, _ flags: [String]) -> EvaluationRow {
            EvaluationRow(
                checkpoint: subject.checkpoint, checkpointSHA256: subject.sha256, dataset: subject.dataset,
                split: subject.split, samples: samples, attack: attack, correct: correct,
                flags: Self.flags(subject, ofWeights + flags), normalization: subject.normalization)
        }
        /// The row of an attack, or of one stage of it, with the settings of `attacks`.
        func row(
            _ name: String, _ search: NetworkAttack.Description, _ attacks: [NetworkAttack], correct: Int,
            seconds: Double, isUnmoved: Bool
        ) -> EvaluationRow {
            func common(_ word: (NetworkAttack) -> String) -> String? {
                let words = Set(attacks.map(word))
                return words.count == 1 ? words.first : nil
            }
            var row = row(name, correct: correct, isUnmoved ? [Self.unmovedFlag] : [])
            row.norm = search.norm?.rawValue
            row.epsilon = search.epsilon
            row.stepSize = search.stepSize
            row.steps = search.steps
            row.restarts = search.restarts
            row.objective = search.steps == nil ? nil : common(\.objective.rawValue)
            row.randomStart = search.isRandom
            row.batchNorm = "frozen"
            row.routing = common { $0.routing == .clean ? "clean" : "deterministic" }
            row.seed = subject.seed
            row.seconds = seconds
            return row
        }
        var rows = inputs.flatMap { input -> [EvaluationRow] in
            guard let attack = input.attack else {
                var row = row("none" + suffix, correct: input.correct, [])
                (row.batchNorm, row.routing, row.seconds) = ("frozen", "deterministic", input.seconds)
                return [row]
            }
            let stages = input.stages.map { stage in
                row(
                    stage.name, stage.attack.description, [stage.attack], correct: stage.correct,
                    seconds: stage.seconds, isUnmoved: stage.attacked > 0 && stage.moved == 0)
            }
            let whole = row(
                input.name, attack.description, attack.stages, correct: input.correct, seconds: input.seconds,
                isUnmoved: input.isUnmoved)
            return stages + [whole]
        }
        if inputs.count > 1 { rows.append(row("worst-case" + suffix, correct: worstCaseCorrect, [])) }
        return rows
    }

    /// The flag of an attack that left every image as it was: its accuracy says nothing of robustness.
    private static let unmovedFlag = "no-image-moved"

    /// What the reader of the figures should be told first.
    package var warnings: [String] {
        inputs.filter(\.isUnmoved).map {
            "\($0.name) moved no image: its accuracy is that of the clean images and says nothing of robustness"
        }
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
