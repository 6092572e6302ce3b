import Foundation

/// The learning rate as a pure function of the step, so that it needs no state and resumes exactly.
///
/// Warm-up rises linearly by step from rate/steps to the full rate. What follows spans the remaining epochs, continuous
/// in the fraction t of them that has passed: cosine (1 + cos πt)/2 between rate and minimum (arXiv:1608.03983), poly
/// (1 − t)^power, step gamma^(milestones passed, in whole epochs of the run), constant, cyclic (arXiv:1506.01186, in one triangle
/// as in arXiv:2001.03994) t/peak up to `peak` and (1 − t)/(1 − peak) after it. With `per: epoch` the rate of an
/// epoch's first step holds for all of it.
///
/// `warmup: product` is another rule, that of schedulers chained in PyTorch (robust-sparse-moes, "Optimiser, schedule,
/// loop"): the curve runs from epoch 0 on, cosine with the period of what warm-up leaves, and every rate is multiplied by a
/// factor that rises from 0.01 to 1 over the warm-up. Without warm-up epochs the first epoch alone has the factor 0.01.
package struct LearningRateSchedule: Sendable {
    /// The factor that a warm-up by products begins with.
    static let firstFactor = 0.01

    private let schedule: ScheduleSettings
    private let rate: Double
    private let epochs: Int
    private let stepsPerEpoch: Int
    /// The rate of every epoch, where it is a product.
    private var products: [Double] = []

    /// Makes the schedule of one optimizer.
    package init(_ schedule: ScheduleSettings, rate: Double, epochs: Int, stepsPerEpoch: Int) {
        self.schedule = schedule
        self.rate = rate
        self.epochs = epochs
        self.stepsPerEpoch = max(1, stepsPerEpoch)
        if schedule.warmup == .product { products = multiplied() }
    }

    /// The rate of step `step`, counted from 0 over the whole run.
    package func rate(atStep step: Int) -> Double {
        let epoch = step / stepsPerEpoch
        if schedule.warmup == .product { return products[min(epoch, products.count - 1)] }
        let step = schedule.per == .epoch ? epoch * stepsPerEpoch : step
        let warmup = schedule.warmupEpochs * Double(stepsPerEpoch)
        if Double(step) < warmup {
            let part = schedule.per == .epoch ? stepsPerEpoch : 1
            return rate * min(1, Double(step + part) / warmup)
        }
        let total = Double(epochs * stepsPerEpoch)
        let t = min(1, (Double(step) - warmup) / max(1, total - warmup))
        let floor = schedule.minimumRate
        switch schedule.name {
        case .cosine:
            let lag = schedule.lagEpochs * Double(stepsPerEpoch) / max(1, total - warmup)
            return floor + (rate - floor) * cosine(t - lag)
        case .poly: return max(floor, rate * pow(1 - t, schedule.power))
        case .step: return max(floor, rate * decay(epoch))
        case .constant: return rate
        case .cyclic: return floor + (rate - floor) * triangle(t)
        }
    }

    private func triangle(_ t: Double) -> Double {
        t < schedule.peak ? t / schedule.peak : (1 - t) / (1 - schedule.peak)
    }

    private func cosine(_ t: Double) -> Double { (1 + cos(.pi * t)) / 2 }

    private func decay(_ epoch: Int) -> Double {
        pow(schedule.gamma, Double(schedule.milestones.count { $0 <= epoch }))
    }

    /// Follows the two chained schedulers from epoch to epoch: each scales the rate that the other left.
    private func multiplied() -> [Double] {
        let floor = schedule.minimumRate
        var rates = [rate * warmupFactor(0)]
        for epoch in 1..<max(1, epochs) {
            let (before, now) = (curve(epoch - 1), curve(epoch))
            let warm = rates[epoch - 1] * warmupFactor(epoch) / warmupFactor(epoch - 1)
            switch schedule.name {
            case .cosine:
                // Only what lies above the minimum is scaled; at the bottom there is nothing to scale, and it is added to.
                rates.append(before > 0 ? floor + (warm - floor) * now / before : warm + (rate - floor) * now)
            case .poly, .step, .constant, .cyclic: rates.append(max(floor, warm * now / before))
            }
        }
        return rates
    }

    private func warmupFactor(_ epoch: Int) -> Double {
        let first = LearningRateSchedule.firstFactor
        guard schedule.warmupEpochs > 0 else { return epoch == 0 ? first : 1 }
        return first + (1 - first) * min(1, Double(epoch) / schedule.warmupEpochs)
    }

    private func curve(_ epoch: Int) -> Double {
        switch schedule.name {
        case .cosine: return cosine(Double(epoch) / (Double(epochs) - schedule.warmupEpochs))
        case .poly: return pow(1 - Double(epoch) / Double(epochs), schedule.power)
        case .step: return decay(epoch)
        case .constant: return 1
        case .cyclic: return triangle(Double(epoch) / Double(epochs))
        }
    }
}
