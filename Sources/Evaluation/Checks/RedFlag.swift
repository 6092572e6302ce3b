/// A reason not to believe a robust accuracy as it stands.
package struct RedFlag: Equatable, Sendable {
    /// What was found; the raw value is the word in `evaluation.csv`.
    package enum Kind: String, CaseIterable, Codable, Sendable {
        /// The same images give other outputs when they are passed once more.
        case randomized
        /// The outputs are probabilities rather than logits.
        case probabilities
        /// The network optimizes something while it predicts.
        case dynamic
        /// Images have no slope where the attack begins (unavailable gradients).
        case zeroGradients = "zero-gradients"
        /// A small random change moves the loss by much of itself.
        case unstablePredictions = "unstable-predictions"
        /// Images were wrong on the way and right at the end.
        case silentSuccess = "silent-success"
        /// The loss still rises in the last steps.
        case incompleteOptimization = "incomplete-optimization"
        /// Images fool the network that was attacked and not the one that is judged.
        case transferFailure = "transfer-failure"
        /// The attack without a radius leaves images right.
        case unconstrainedFailure = "unconstrained-failure"
        /// The attack left every image as it was.
        case noImageMoved = "no-image-moved"
        /// Square, which sees no gradient, fools images that every attack by gradients leaves right.
        case squareImproves = "square-improves"
        /// Images made on another network, or on other routes, fool this one where attacks on itself do not.
        case transferImproves = "transfer-improves"
        /// Noise fools images that every attack by gradients leaves right.
        case noiseImproves = "noise-improves"
        /// More steps of the same attack leave more images right.
        case moreStepsWeaker = "more-steps-weaker"
        /// More restarts of the same attack leave more images right.
        case moreRestartsWeaker = "more-restarts-weaker"
        /// A larger radius of the same attack leaves more images right.
        case largerRadiusWeaker = "larger-radius-weaker"
        /// Many images stay right in a ball several times as large.
        case largeRadiusSurvived = "large-radius-survived"
        /// A radius of 0 gives other predictions than the clean images.
        case zeroRadiusDiffers = "zero-radius-differs"
        /// A step is longer than the radius.
        case stepAboveRadius = "step-above-radius"
        /// All steps together are shorter than the radius.
        case pathBelowRadius = "path-below-radius"
        /// An l2 radius below 0.1, as if it had been meant for l-infinity.
        case smallL2Radius = "small-l2-radius"
        /// The radius is not that of training.
        case otherRadius = "radius-not-of-training"
        /// The norm is not that of training.
        case otherNorm = "norm-not-of-training"
    }

    /// What was found.
    package let kind: Kind
    /// The inputs that it was found at: an attack's id; nil where it concerns every row.
    package let inputs: String?
    /// Images that it concerns, where it concerns images.
    package let count: Int?
    /// What was found in words, with figures.
    package let finding: String

    /// Makes a flag; see the properties.
    package init(_ kind: Kind, _ inputs: String?, count: Int? = nil, _ finding: String) {
        self.kind = kind
        self.inputs = inputs
        self.count = count
        self.finding = finding
    }

    /// What stands in `evaluation.csv`: the word, and how many images it concerns.
    package var word: String { kind.rawValue + (count.map { "=\($0)" } ?? "") }

    /// The line on screen.
    package var message: String { "\(inputs.map { "\($0): " } ?? "")\(finding) (\(kind.rawValue)); \(kind.remedy)" }
}

extension RedFlag.Kind {
    /// What to do about it, in a few words; the README says more.
    package var remedy: String {
        switch self {
        case .randomized: "take an attack that averages gradients, autoattack with version=rand"
        case .probabilities: "evaluate the logits"
        case .dynamic: "add attacks that adapt to it, and transferred ones"
        case .zeroGradients: "take another objective (dlr, margin) and square"
        case .unstablePredictions: "average gradients over several passes"
        case .silentSuccess: "keep the best iterate (keep=best, or apgd)"
        case .incompleteOptimization: "take more steps, or apgd, which chooses their length"
        case .transferFailure: "attack the network that is judged"
        case .unconstrainedFailure: "the attack does not work on this network: take another objective or search"
        case .noImageMoved: "its accuracy is that of the clean images and says nothing of robustness"
        case .squareImproves, .transferImproves, .noiseImproves:
            "gradients seem masked: adapt the attack to the network"
        case .moreStepsWeaker, .moreRestartsWeaker, .largerRadiusWeaker:
            "the search seems broken: take apgd, or autoattack"
        case .largeRadiusSurvived: "the search seems broken: take more steps, or autoattack"
        case .zeroRadiusDiffers: "the network that is attacked is not the one that is judged"
        case .stepAboveRadius: "take a shorter step_size"
        case .pathBelowRadius: "take more steps or a longer step_size"
        case .smallL2Radius: "radii of l2 are some 0.25 to 1 for small images"
        case .otherRadius: "name the radius beside the accuracy"
        case .otherNorm: "name the norm beside the accuracy"
        }
    }
}
