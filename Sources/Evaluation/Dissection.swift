import Files
import Tensors

/// What attacks did to routers and to predictions, image by image, over all mixture layers at once (AdvMoE,
/// arXiv:2308.10110, section 3): a router gives way where the experts chosen change in any layer, the model where its
/// prediction is wrong.
package struct Dissection: Equatable {
    /// Neither gave way.
    package var neither = 0
    /// The router alone.
    package var routerOnly = 0
    /// The prediction alone.
    package var predictionOnly = 0
    /// Both.
    package var both = 0
    /// How many images took each of the pathways that were taken; a pathway is the choice of experts in all layers.
    package var pathways: [[[Int]]: Int] = [:]
    /// Σ over images of the overlap of their pathway with that of the clean image: shared (layer, expert) pairs over all.
    package var overlap = 0.0
    /// The overlap of each image's pathway with a mask, if there is one.
    package var maskOverlaps: [Double] = []
    /// What that is on average where experts are chosen at random.
    package var maskChance: Double?

    package var samples: Int { neither + routerOnly + predictionOnly + both }

    /// Counts one image.
    package mutating func add(chosen: [[Int]], clean: [[Int]], isCorrect: Bool, mask: MaskOverlap? = nil) {
        if let mask { maskOverlaps.append(mask.value(chosen)) }
        let (now, before) = (chosen.map { $0.sorted() }, clean.map { $0.sorted() })
        switch (now != before, isCorrect) {
        case (false, true): neither += 1
        case (true, true): routerOnly += 1
        case (false, false): predictionOnly += 1
        case (true, false): both += 1
        }
        pathways[now, default: 0] += 1
        var (shared, all) = (0, 0)
        for (a, b) in zip(now, before) {
            shared += Set(a).intersection(b).count
            all += Set(a).union(b).count
        }
        overlap += Double(shared) / Double(max(1, all))
    }

    /// The entropy of the pathways taken, in nats.
    package var pathwayEntropy: Double {
        entropyOf(pathways.values.sorted().lazy.map { Double($0) / Double(samples) })
    }

    package func row(split: String, inputs: String) -> DissectionRow {
        let count = Double(max(1, maskOverlaps.count))
        let mean = maskOverlaps.reduce(0, +) / count
        let variance = maskOverlaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
        return DissectionRow(
            split: split, inputs: inputs, samples: samples, neither: neither, routerOnly: routerOnly,
            predictionOnly: predictionOnly, both: both, pathways: pathways.count, pathwayEntropy: pathwayEntropy,
            cleanOverlap: samples > 0 ? overlap / Double(samples) : nil,
            maskOverlap: maskOverlaps.isEmpty ? nil : mean,
            maskOverlapDeviation: maskOverlaps.isEmpty ? nil : variance.squareRoot(), maskOverlapChance: maskChance)
    }
}

extension EvaluationResult {
    /// The dissection of one set of inputs, or nil where there are no mixtures.
    package static func dissection(_ chunks: [EvaluationChunk], _ outcome: Int, _ mask: MaskOverlap?) -> Dissection? {
        guard chunks.first?.outcomes[outcome].chosen.isEmpty == false else { return nil }
        var result = Dissection()
        result.maskChance = mask?.chance
        for chunk in chunks {
            for image in chunk.labels.indices {
                result.add(
                    chosen: chunk.choices(outcome, image: image), clean: chunk.choices(0, image: image),
                    isCorrect: chunk.outcomes[outcome].predictions[image] == chunk.labels[image], mask: mask)
            }
        }
        return result
    }
}
