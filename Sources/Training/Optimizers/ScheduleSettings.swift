/// How a learning rate goes over time.
package struct ScheduleSettings: Sendable, Equatable {
    /// The curve after the warm-up.
    package enum Name: String, CaseIterable, Sendable {
        case cosine
        case poly
        case step
        case constant
        /// A triangle: up from nothing, and down again.
        case cyclic
    }

    /// How often the rate changes.
    package enum Granularity: String, CaseIterable, Sendable {
        /// At every step.
        case step
        /// At every epoch, to the rate of its first step.
        case epoch
    }

    /// How warm-up and curve go together.
    package enum Warmup: String, CaseIterable, Sendable {
        /// The curve begins where the warm-up ends.
        case before
        /// The curve begins at once and is multiplied by a factor that rises from 0.01, as chained schedulers do.
        case product
    }

    /// The curve after the warm-up.
    package var name = Name.cosine
    /// How often the rate changes.
    package var per = Granularity.step
    /// How warm-up and curve go together.
    package var warmup = Warmup.before
    /// Epochs, at least 0, in which the rate rises linearly.
    package var warmupEpochs = 0.0
    /// Epochs, at least 0, by which the curve of `cosine` lags behind.
    package var lagEpochs = 0.0
    /// The exponent of `poly`, above 0.
    package var power = 0.9
    /// The share of the time after the warm-up, above 0 and below 1, at which `cyclic` is highest.
    package var peak = 0.4
    /// The epochs, rising from at least 1, at which `step` multiplies the rate by `gamma`.
    package var milestones: [Int] = []
    /// The factor of `step`, above 0.
    package var gamma = 0.1
    /// The rate that is approached at the end, at least 0 and at most the optimizer's.
    package var minimumRate = 0.0

    /// Makes the part with every default.
    package init() {}
}
