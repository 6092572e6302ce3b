import Files
import Foundation
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
        /// For each mixture layer, how its router's scores are spread.
        package let scores: [ScoreHistogram]
        package let confusion: ClassCounts
        /// How experts and predictions gave way; nil without mixtures.
        package let dissection: Dissection?
        package let seconds: Double
        /// Whether there was an attack, and every image stayed as it was.
        package let isUnmoved: Bool
        /// For each image, what an attack's way to it told; empty of clean images.
        package let findings: [[RedFlag.Kind]]
        /// Whether each image is predicted as its label.
        package let isRight: [Bool]
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
        /// Of these, the images that it moved, if only on its way.
        package let moved: Int
        /// Whether each image is right when clean, after it and after all before it.
        package let isRight: [Bool]
        /// What its way to each image told, of those that it attacked.
        package let findings: [[RedFlag.Kind]]
        package let seconds: Double
        package var correct: Int { isRight.count { $0 } }
    }

    package let inputs: [Inputs]
    /// Images that no attack fooled and that are right when clean.
    package let worstCaseCorrect: Int
    package let samples: Int
    package let perSample: [PerSampleRow]
    /// What each attack made of the images, as in ``EvaluationChunk/Outcome/images``, in the order of ``perSample``.
    package let images: [Data?]
    /// Images to be looked at, attack by attack, each with what makes its row of the split's name and the classes'.
    package let examples: [(example: AttackExample, row: (String, [String]) -> ExampleRow)]
    /// Clean images that went to each expert.
    package let expertMaps: ExpertMaps
    /// What the names of inputs end in.
    package let suffix: String
    /// What the checks found that hangs on nothing but the evaluation itself.
    let ownFlags: [RedFlag]

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
            var scores: [ScoreHistogram]?
            var confusion = ClassCounts(classes: classes)
            var isUnmoved = index > 0
            var seconds = 0.0
            for chunk in chunks {
                let outcome = chunk.outcomes[index]
                isUnmoved = isUnmoved && !outcome.hasMoved && outcome.distances.allSatisfy { $0 == 0 }
                correct += outcome.isCorrect(chunk.labels).count { $0 }
                if chunk.rank == 0 { seconds += outcome.seconds }
                loss = outcome.losses.reduce(loss, +)
                ExpertUsage.add(outcome.layers, to: &layers)
                ExpertOutputs.add(outcome.outputs, to: &outputs)
                if let own = outcome.scores {
                    for layer in (scores ?? []).indices { scores?[layer].add(own[layer]) }
                    scores = scores ?? own
                }
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
                    expertClasses: expertClasses, scores: scores ?? [], confusion: confusion,
                    dissection: Self.dissection(chunks, index, mask),
                    seconds: seconds, isUnmoved: isUnmoved, findings: chunks.flatMap { $0.outcomes[index].findings },
                    isRight: chunks.flatMap { $0.outcomes[index].isCorrect($0.labels) },
                    stages: attack.map { Self.stages(of: $0, chunks, index, suffix) } ?? []))
        }
        self.inputs = inputs
        perSample = chunks.flatMap { chunk in
            chunk.indices.indices.map { image in
                PerSampleRow(
                    index: chunk.indices[image], label: chunk.labels[image],
                    cleanPrediction: chunk.outcomes[0].predictions[image], cleanLoss: chunk.outcomes[0].losses[image],
                    outcomes: zip(chunk.outcomes.dropFirst(), attacks).map { outcome, attack in
                        .init(
                            prediction: outcome.predictions[image], loss: outcome.losses[image],
                            distance: outcome.distances[image],
                            flags: outcome.findings.isEmpty ? [] : outcome.findings[image].map(\.rawValue),
                            isOfNetwork: attack.judgesNetwork)
                    })
            }
        }
        images = attacks.indices.map { attack in
            let parts = chunks.compactMap { $0.outcomes[attack + 1].images }
            return parts.isEmpty ? nil : parts.reduce(into: Data()) { $0.append($1) }
        }
        examples = Self.examples(chunks, names)
        expertMaps = ExpertMaps(Self.expertImages(chunks, experts: mixture?.experts ?? 0, classes: classes))
        worstCaseCorrect = perSample.count { $0.robust }
        ownFlags = Self.flags(inputs, chunks, suffix: suffix)
    }

    /// The first clean images of each class that chose each expert, `[layer][expert][class]`.
    private static func expertImages(_ chunks: [EvaluationChunk], experts: Int, classes: Int) -> [[[[Int]]]] {
        let none = [[[Int]]](repeating: [[Int]](repeating: [], count: classes), count: experts)
        var result = [[[[Int]]]](repeating: none, count: chunks.first?.outcomes[0].chosen.count ?? 0)
        for chunk in chunks {
            for layer in result.indices {
                chunk.forEachChoice(0, layer: layer) { image, expert in
                    let label = chunk.labels[image]
                    guard result[layer][expert][label].count < ExpertMaps.mostOfClass else { return }
                    result[layer][expert][label].append(chunk.indices[image])
                }
            }
        }
        return result
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
                isRight: parts.flatMap(\.0.isCorrect), findings: parts.flatMap(\.0.findings),
                seconds: parts.reduce(0) { $0 + ($1.1 == 0 ? $1.0.seconds : 0) })
        }
    }

    /// The lowest accuracy over the attacks, taken image by image; what `best` is chosen by.
    package var robustAccuracy: Double { Double(worstCaseCorrect) / Double(max(1, samples)) }

    private static func words(_ subject: EvaluationSubject, _ own: [String]) -> String? {
        let words = own + subject.flags
        return words.isEmpty ? nil : words.joined(separator: ";")
    }

    /// Rows of `evaluation.csv`: clean, each attack, and the pointwise worst over all of them.
    package func rows(_ subject: EvaluationSubject) -> [EvaluationRow] {
        let ofWeights = suffix == EvaluationResult.averageSuffix ? ["weight-average"] : []
        let flags = flags(subject)
        func row(_ attack: String, correct: Int, _ words: [String] = []) -> EvaluationRow {
            let own = flags.filter { $0.inputs == nil || $0.inputs == attack }.map(\.word)
            return EvaluationRow(
                checkpoint: subject.checkpoint, checkpointSHA256: subject.sha256, dataset: subject.dataset,
                split: subject.split, samples: samples, attack: attack, correct: correct,
                flags: Self.words(subject, ofWeights + words + own), normalization: subject.normalization)
        }
        /// The row of an attack, or of one stage of it, with the settings of `attacks`.
        func row(
            _ name: String, _ search: NetworkAttack.Description, _ attacks: [NetworkAttack], correct: Int,
            seconds: Double
        ) -> EvaluationRow {
            func common(_ word: (NetworkAttack) -> String) -> String? {
                let words = Set(attacks.map(word))
                return words.count == 1 ? words.first : nil
            }
            let isHeld = attacks.allSatisfy { $0.routing == .held }
            var row = row(name, correct: correct, isHeld ? [Self.heldFlag] : [])
            row.norm = search.norm?.rawValue
            row.epsilon = search.epsilon
            row.stepSize = search.stepSize
            row.steps = search.steps
            row.restarts = search.restarts
            row.objective = search.steps == nil ? nil : common(\.objective.rawValue)
            row.randomStart = search.isRandom
            row.batchNorm = "frozen"
            row.routing = common(\.routing.rawValue)
            row.seed = subject.seed
            row.seconds = seconds
            return row
        }
        var rows = inputs.flatMap { input -> [EvaluationRow] in
            guard let attack = input.attack else {
                var row = row("none" + suffix, correct: input.correct)
                (row.batchNorm, row.routing, row.seconds) = ("frozen", "deterministic", input.seconds)
                return [row]
            }
            let stages = input.stages.map { stage in
                row(
                    stage.name, stage.attack.description, [stage.attack], correct: stage.correct,
                    seconds: stage.seconds)
            }
            let whole = row(
                input.name, attack.description, attack.stages, correct: input.correct, seconds: input.seconds)
            return stages + [whole]
        }
        if inputs.count > 1 { rows.append(row("worst-case" + suffix, correct: worstCaseCorrect)) }
        return rows
    }

    /// The flag of a verdict on routes of the clean images, which is in no worst case.
    private static let heldFlag = "routes-held"
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
