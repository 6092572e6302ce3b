import Attacks
import NetworkAttacks
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
            /// The same with the difference of logits ratio.
            case apgdDLR = "apgd-dlr"
            /// The same with the targeted difference of logits ratio, target after target.
            case apgdT = "apgd-t"
            /// The smallest change that each of several classes takes, by steps to its decision boundary (FAB-T).
            case fabT = "fab-t"
            /// Random squares, which ask the model for outputs alone.
            case square
            /// All of a version of AutoAttack, each on the images that those before it have left.
            case autoattack
            /// Normal noise of deviation `epsilon`, clamped to [0, 1].
            case gaussianNoise = "gaussian-noise"
            /// The ladder of attacks that are made for mixtures of experts, each with projected gradient steps.
            case mixture
            /// Projected gradient steps on another network, `source`, by whose images this one is judged.
            case transfer
            /// One change for all images, made by gradient steps on training images.
            case universal
            /// Images that were made before, in `file`.
            case file
            /// No change.
            case none
        }

        /// Which attacks AutoAttack runs (Croce and Hein, arXiv:2003.01690, and its public code).
        package enum Version: String, Sendable, ConfigurationChoice {
            /// apgd-ce, apgd-t, fab-t and square.
            case standard
            /// apgd-ce and apgd-dlr along the mean of 20 gradients, for randomized networks.
            case rand
            /// apgd-ce, apgd-dlr and FAB of 5 restarts each, square, apgd-t and fab-t.
            case plus
        }

        /// The name in files; nil means one made of the attack's numbers, see `resolvedId`.
        package var id: String?
        /// The search.
        package var name = Name.pgd
        /// How the size of a change is measured.
        package var norm = PerturbationBall.Norm.linf
        /// The radius of the ball in units of [0, 1] images, at least 0, and at most 1 in l-infinity.
        package var epsilon = 8.0 / 255
        /// The length of a step in the same units; above 0 where there are steps.
        package var stepSize = 2.0 / 255
        /// Steps of each restart, or passes of `universal` over its images, at least 1; `autoattack` makes 100, always.
        package var steps = 10
        /// Searches of which each image gets the worst, at least 1.
        package var restarts = 1
        /// Which attacks `autoattack` runs.
        package var version = Version.standard
        /// Classes that targeted searches drive each image to, at least 1 and below the classes of the data.
        package var targets = 9
        /// Outputs that `square` asks for, at least 1.
        package var queries = 5000
        /// Where the search starts, see `resolvedStart`.
        package var start = Automatic<StartingPoint>.automatic
        /// What the search makes large, see `resolvedObjective`.
        package var objective = Automatic<ObjectiveName>.automatic
        /// The factor of the routers' part of an objective of model and routers, at least 0; nil means 6 for labels and 1 for
        /// divergences.
        package var beta: Double?
        /// Which iterate is the result.
        package var keep = ProjectedGradientDescent.Keep.last
        /// What batch norm normalizes by.
        package var batchNorm = NetworkAttack.BatchNorm.frozen
        /// How images are routed.
        package var routing = NetworkAttack.Routing.deterministic
        /// What of a mixture the attack is made on.
        package var surrogate = Surrogate.none
        /// Passes with noise of their own of which every gradient is the mean, at least 1.
        package var eot = 1
        /// Training images that `universal` is made on, at least 1; nil means 1000, or all where there are fewer.
        package var trainSamples: Int?
        /// The run, or checkpoint, of `transfer`.
        package var source: String?
        /// The file of `file`, as an evaluation with `evaluation.write_images` wrote it.
        package var file: String?

        /// Makes the section with every default.
        package init() {}

        /// The start with `auto` decided: a divergence from the clean images has no slope at them.
        package var resolvedStart: StartingPoint {
            let objective = resolvedObjective
            if objective == .divergence { return start.or(.gaussian) }
            return start.or(name == .fgsm && !objective.isFlatAtCleanImages ? .none : .uniform)
        }

        /// Whether the search follows gradients of the objective from a start.
        package var isGradientSearch: Bool { name == .fgsm || isProjectedGradientDescent || isAutomatic }

        /// Whether the search is that of `pgd`, if on other networks.
        package var isProjectedGradientDescent: Bool { [.pgd, .mixture, .transfer].contains(name) }

        /// Whether the search is APGD.
        package var isAutomatic: Bool { [.apgdCE, .apgdDLR, .apgdT].contains(name) }

        /// Whether the search asks a network about images, or keeps to a ball as if it had.
        package var asksNetwork: Bool { ![.none, .gaussianNoise].contains(name) }

        /// Whether training can make the attack: others are several attacks, need more than the network, or make as many
        /// passes as images need.
        package var isForTraining: Bool { [.pgd, .fgsm, .apgdCE, .apgdDLR, .gaussianNoise, .none].contains(name) }

        /// Whether the search makes `steps` steps.
        package var hasSteps: Bool { [.fabT, .universal].contains(name) || isProjectedGradientDescent || isAutomatic }

        /// Whether the search is one that follows gradients step by step, as far as the radius lets it.
        var isTriedAtRadii: Bool { [.pgd, .apgdCE, .apgdDLR].contains(name) }

        /// Whether the search goes by steps of `stepSize`.
        package var hasStepSize: Bool { name == .universal || isProjectedGradientDescent }

        /// The gradient steps of each restart, passes of `universal` over its images, or the queries of a search that asks for
        /// outputs alone; nil where there are none, or no one number.
        package var resolvedSteps: Int? {
            switch name {
            case .pgd, .apgdCE, .apgdDLR, .apgdT, .fabT, .mixture, .transfer, .universal: steps
            case .fgsm: 1
            case .square: queries
            case .none, .gaussianNoise, .autoattack, .file: nil
            }
        }

        /// The objective with `auto` decided.
        package var resolvedObjective: ObjectiveName {
            switch name {
            case .apgdDLR, .apgdT: .dlr
            case .fabT, .square: .margin
            case .pgd, .fgsm, .apgdCE, .autoattack, .mixture, .transfer, .universal, .file, .gaussianNoise, .none:
                objective.or(.crossEntropy)
            }
        }

        /// The name in files: `id`, or one such as `pgd-linf-8of255-10` (search, norm, radius, steps).
        ///
        /// A radius that is no whole number of 255ths is written with five decimals, as in `pgd-linf-0p03137-10`.
        package var resolvedId: String {
            if let id { return id }
            switch name {
            case .none: return "none"
            case .fgsm, .file: return "\(name.rawValue)-\(norm.rawValue)-\(radiusText)"
            case .pgd, .apgdCE, .apgdDLR, .apgdT, .fabT, .square, .mixture, .transfer, .universal:
                return "\(name.rawValue)-\(norm.rawValue)-\(radiusText)-\(resolvedSteps ?? steps)"
            case .autoattack:
                let suffix = version == .standard ? "" : "-\(version.rawValue)"
                return "autoattack-\(norm.rawValue)-\(radiusText)\(suffix)"
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
        ConfigurationKey(
            "version", \.version, "which attacks autoattack runs, one after the other", onlyWhere: .name(.autoattack)),
        ConfigurationKey("norm", \.norm, "how the size of a change is measured", onlyWhere: .networks),
        ConfigurationKey(
            "epsilon", \.epsilon, "radius of the ball, for images in [0, 1]", .within(0...ConfigurationLimits.radius),
            onlyWhere: ConfigurationCondition("any name but none") { $0.name != .none }),
        ConfigurationKey(
            "step_size", \.stepSize, "length of a step, for images in [0, 1]", .within(0...ConfigurationLimits.radius),
            onlyWhere: .name(.pgd, .mixture, .transfer, .universal)),
        ConfigurationKey(
            "steps", \.steps, "steps of each restart; universal: passes over its images",
            .within(0...ConfigurationLimits.repetitions),
            onlyWhere: .name(.pgd, .apgdCE, .apgdDLR, .apgdT, .fabT, .mixture, .transfer, .universal)),
        ConfigurationKey(
            "restarts", \.restarts, "searches of which each image gets the worst",
            .within(1...ConfigurationLimits.repetitions),
            onlyWhere: .name(.pgd, .fgsm, .apgdCE, .apgdDLR, .apgdT, .fabT, .mixture, .transfer)),
        ConfigurationKey(
            "targets", \.targets,
            "classes that each image is driven to, by its clean logits from the second largest down",
            .within(1...ConfigurationLimits.repetitions), onlyWhere: .name(.apgdT, .fabT, .autoattack)),
        ConfigurationKey(
            "queries", \.queries, "outputs that square asks for", .within(1...ConfigurationLimits.repetitions),
            onlyWhere: .name(.square, .autoattack)),
        ConfigurationKey("start", \.start, "where the search starts", onlyWhere: .gradients),
        ConfigurationKey(
            "random_start", \.randomStart, "true: start uniform, false: start none", anotherSpellingOf: "start"),
        ConfigurationKey(
            "objective", \.objective, "what the search makes large",
            onlyWhere: .name(.pgd, .fgsm, .apgdCE, .mixture, .transfer, .universal)),
        ConfigurationKey(
            "beta", \.beta, "factor of the routers' part of the objective; null: 6 for labels, 1 for divergences",
            .ifGiven(.atLeast(0)),
            onlyWhere: ConfigurationCondition("an objective of model and routers") {
                [.modelAndRouterDivergence, .modelAndRouterLabels, .modelAndRouterChoice].contains($0.resolvedObjective)
            }),
        ConfigurationKey(
            "keep", \.keep, "which iterate is the result", onlyWhere: .name(.pgd, .mixture, .transfer)),
        ConfigurationKey("batch_norm", \.batchNorm, "what batch norm normalizes by meanwhile", onlyWhere: .networks),
        ConfigurationKey(
            "routing", \.routing, "how images are routed meanwhile; held: in the verdict too", onlyWhere: .networks),
        ConfigurationKey(
            "surrogate", \.surrogate, "what of a mixture the attack is made on; an expert takes all images",
            onlyWhere: ConfigurationCondition("any name but mixture, file, gaussian-noise and none") {
                $0.asksNetwork && ![.mixture, .file].contains($0.name)
            }),
        ConfigurationKey(
            "eot", \.eot, "passes that every gradient is the mean of; mixture: 20 where it is 1",
            .within(1...ConfigurationLimits.repetitions),
            onlyWhere: ConfigurationCondition("routing: noisy, or name: mixture") {
                ($0.isGradientSearch || $0.name == .universal) && ($0.routing == .noisy || $0.name == .mixture)
            }),
        ConfigurationKey(
            "train_samples", \.trainSamples,
            "training images that universal is made on; null: 1000, or all where there are fewer",
            .ifGiven(.within(1...ConfigurationLimits.images)), onlyWhere: .name(.universal)),
        ConfigurationKey(
            "source", \.source, "run or checkpoint on which the images of transfer are made", .ifGiven(.path),
            onlyWhere: .name(.transfer)),
        ConfigurationKey(
            "file", \.file, "images that evaluation.write_images wrote", .ifGiven(.path), onlyWhere: .name(.file)),
    ]

    private var randomStart: Bool {
        get { resolvedStart != .none }
        set { start = .given(newValue ? .uniform : .none) }
    }
}

extension ConfigurationCondition where Section == RunConfiguration.Attack {
    /// What belongs to attacks of some names.
    fileprivate static func name(_ names: RunConfiguration.Attack.Name...) -> ConfigurationCondition {
        let words = names.map(\.rawValue)
        let list = [words.dropLast().joined(separator: ", "), words.last ?? ""].filter { !$0.isEmpty }
        return ConfigurationCondition("name: \(list.joined(separator: " or "))") { names.contains($0.name) }
    }

    /// What belongs to attacks that follow gradients of an objective.
    fileprivate static var gradients: ConfigurationCondition {
        .name(.pgd, .fgsm, .apgdCE, .apgdDLR, .apgdT, .mixture, .transfer)
    }

    /// What belongs to attacks that ask a network.
    fileprivate static var networks: ConfigurationCondition {
        ConfigurationCondition("any name but gaussian-noise and none") { $0.asksNetwork }
    }
}

extension PerturbationBall.Norm: ConfigurationChoice {}
extension StartingPoint: ConfigurationChoice {}
extension ObjectiveName: ConfigurationChoice {}
extension ProjectedGradientDescent.Keep: ConfigurationChoice {}
extension NetworkAttack.BatchNorm: ConfigurationChoice {}
extension NetworkAttack.Routing: ConfigurationChoice {}

extension Surrogate: ScalarValue {
    static var noun: String { "\(words.joined(separator: ", ")) or an expert's number from 0" }
    static var words: [String] { named.map(\.word) }

    private static let named: [(word: String, surrogate: Surrogate)] = [
        ("none", .none), ("no-gate-gradient", .gateGradient(.none)),
        ("straight-through", .gateGradient(.straightThrough)), ("weakest-expert", .weakestPathway),
    ]

    init?(text: String, plain: Bool) {
        if let named = Self.named.first(where: { $0.word == text }) {
            self = named.surrogate
        } else if let expert = Int(text: text, plain: plain), expert >= 0 {
            self = .expert(expert)
        } else {
            return nil
        }
    }

    package var written: ConfigurationNode {
        if case .expert(let expert) = self { return expert.written }
        return .text(Self.named.first { $0.surrogate == self }?.word ?? "none")
    }
}
