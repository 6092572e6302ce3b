import Attacks
import Networks

extension RunConfiguration {
    /// The section `attack`, and an element of `evaluation.attacks`: how images are changed against the network.
    package struct Attack: Sendable, Equatable {
        /// The search.
        package enum Name: String, Sendable, ConfigurationChoice {
            /// Projected gradient steps.
            case pgd
            /// One gradient step as long as the radius.
            case fgsm
            /// Projected gradient steps with momentum that choose their own length (APGD with cross entropy).
            case apgdCE = "apgd-ce"
            /// Normal noise of deviation `epsilon`, clamped to [0, 1].
            case gaussianNoise = "gaussian-noise"
            /// No change.
            case none
        }

        /// How the size of a change is measured.
        package enum Norm: String, Sendable, ConfigurationChoice {
            /// The largest change of any channel of any pixel.
            case linf
            /// The Euclidean length of all changes of an image.
            case l2
        }

        /// Where the search starts.
        package enum Start: String, Sendable, ConfigurationChoice {
            /// What the search calls for: none for `fgsm`, uniform for the others.
            case automatic = "auto"
            /// At a point drawn uniformly from the ball and clamped to [0, 1].
            case uniform
            /// At a point drawn uniformly from the ball.
            case uniformUnclamped = "uniform-unclamped"
            /// At the image plus normal noise of deviation 0.001, not clamped.
            case gaussian
            /// At the image.
            case none
        }

        /// What the search makes large.
        package enum Objective: String, Sendable, ConfigurationChoice {
            /// What the method calls for: `kl` for `trades` and `advmoe`, cross entropy for the others and in evaluations.
            case automatic = "auto"
            case crossEntropy = "cross-entropy"
            /// The divergence from what the model says of the clean images.
            case kl
            /// The routers' part of `model-and-router` alone.
            case router
            /// In training, the divergences of model and routers from what they say of the clean images; in evaluations,
            /// cross entropy plus `training.beta` times that of the routers' choices with the label modulo the experts.
            case modelAndRouter = "model-and-router"
        }

        /// Which iterate of a restart is its result.
        package enum Keep: String, Sendable, ConfigurationChoice {
            case last
            /// The one with the largest objective.
            case best
        }

        /// What batch norm normalises by while the attack runs.
        package enum BatchNorm: String, Sendable, ConfigurationChoice {
            /// The running statistics.
            case frozen
            /// The batch that is attacked.
            case batch
            /// The batch that is attacked, which also moves the running statistics, at every step.
            case batchUpdating = "batch-updating"
        }

        /// How images are routed while the attack runs.
        package enum Routing: String, Sendable, ConfigurationChoice {
            /// As in evaluation, anew at every step.
            case deterministic
            /// With the noise of training, drawn anew at every step.
            case noisy
            /// As the clean images are.
            case clean
        }

        /// The name in files; nil means one made of the attack's numbers, see `resolvedId`.
        package var id: String?
        /// The search.
        package var name = Name.pgd
        /// How the size of a change is measured.
        package var norm = Norm.linf
        /// The radius of the ball in units of [0, 1] images, at least 0, and at most 1 in l-infinity.
        package var epsilon = 8.0 / 255
        /// The length of a step in the same units; above 0 where there are steps.
        package var stepSize = 2.0 / 255
        /// Steps of each restart, at least 1 for `pgd` and `apgd-ce`.
        package var steps = 10
        /// Searches of which each image gets the worst, at least 1.
        package var restarts = 1
        /// Where the search starts, see `resolvedStart`.
        package var start = Start.automatic
        /// What the search makes large, see `resolvedObjective`.
        package var objective = Objective.automatic
        /// Which iterate is the result.
        package var keep = Keep.last
        /// What batch norm normalises by.
        package var batchNorm = BatchNorm.frozen
        /// How images are routed.
        package var routing = Routing.deterministic

        /// Makes the section with every default.
        package init() {}

        /// The start with `auto` decided.
        package var resolvedStart: Start {
            if start != .automatic { return start }
            if name == .fgsm { return .none }
            return objective == .kl ? .gaussian : .uniform
        }

        /// Whether the search goes by steps of `stepSize`.
        package var hasStepSize: Bool { name == .pgd }

        /// The gradient steps of each restart; nil where there are none.
        package var resolvedSteps: Int? {
            switch name {
            case .pgd, .apgdCE: steps
            case .fgsm: 1
            case .none, .gaussianNoise: nil
            }
        }

        /// The objective with `auto` decided.
        package var resolvedObjective: Objective { objective == .automatic ? .crossEntropy : objective }

        /// The name in files: `id`, or one such as `pgd-linf-8of255-10` (search, norm, radius, steps).
        ///
        /// A radius that is no whole number of 255ths is written with five decimals, as in `pgd-linf-0p03137-10`.
        package var resolvedId: String {
            if let id { return id }
            switch name {
            case .none: return "none"
            case .fgsm: return "fgsm-\(norm.rawValue)-\(radiusText)"
            case .pgd, .apgdCE: return "\(name.rawValue)-\(norm.rawValue)-\(radiusText)-\(steps)"
            case .gaussianNoise: return "gaussian-noise-\(radiusText)"
            }
        }

        /// The radius as it stands in names.
        var radiusText: String {
            let levels = (epsilon * 255).rounded()
            if abs(epsilon * 255 - levels) <= 1e-6 { return "\(Int(levels))of255" }
            let decimals = String(Int((epsilon * 1e5).rounded()))
            let padded = String(repeating: "0", count: max(0, 6 - decimals.count)) + decimals
            return "\(padded.dropLast(5))p\(padded.suffix(5))"
        }
    }
}

extension RunConfiguration.Attack: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("id", \.id, "name in files; null: such as pgd-linf-8of255-10", .ifGiven(.identifier)),
        ConfigurationKey("name", \.name, "the search"),
        ConfigurationKey("norm", \.norm, "how the size of a change is measured"),
        ConfigurationKey("epsilon", \.epsilon, "radius of the ball, for images in [0, 1]", .atLeast(0)),
        ConfigurationKey("step_size", \.stepSize, "length of a step, for images in [0, 1]", .atLeast(0)),
        ConfigurationKey("steps", \.steps, "steps of each restart", .atLeast(0)),
        ConfigurationKey("restarts", \.restarts, "searches of which each image gets the worst", .atLeast(1)),
        ConfigurationKey("start", \.start, "where the search starts"),
        ConfigurationKey(
            "random_start", \.randomStart, "true: start uniform, false: start none", anotherSpellingOf: "start"),
        ConfigurationKey("objective", \.objective, "what the search makes large"),
        ConfigurationKey("keep", \.keep, "which iterate is the result"),
        ConfigurationKey("batch_norm", \.batchNorm, "what batch norm normalises by meanwhile"),
        ConfigurationKey("routing", \.routing, "how images are routed meanwhile"),
    ]

    private var randomStart: Bool {
        get { resolvedStart != .none }
        set { start = newValue ? .uniform : .none }
    }
}
