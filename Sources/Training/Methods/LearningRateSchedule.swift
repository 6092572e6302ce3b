import Foundation

/// The learning rate as a pure function of the step, so that it needs no state and resumes exactly.
///
/// Warm-up rises linearly by step from rate/steps to the full rate. What follows spans the remaining epochs, continuous
/// in the fraction t of them that has passed: cosine (1 + cos πt)/2 between rate and minimum (arXiv:1608.03983), poly
/// (1 − t)^power, step gamma^(milestones passed, in whole epochs of the run), constant.
public struct LearningRateSchedule: Sendable {
    private let schedule: RunConfiguration.Schedule
    private let rate: Double
    private let epochs: Int
    private let stepsPerEpoch: Int

    /// Makes the schedule of a run.
    public init(_ training: RunConfiguration.Training, stepsPerEpoch: Int) {
        schedule = training.schedule
        rate = training.optimizer.rate
        epochs = training.epochs
        self.stepsPerEpoch = max(1, stepsPerEpoch)
    }

    /// The rate of step `step`, counted from 0 over the whole run.
    public func rate(atStep step: Int) -> Double {
        let warmup = schedule.warmupEpochs * Double(stepsPerEpoch)
        if Double(step) < warmup { return rate * min(1, Double(step + 1) / warmup) }
        let total = Double(epochs * stepsPerEpoch)
        let t = min(1, (Double(step) - warmup) / max(1, total - warmup))
        let floor = schedule.minimumRate
        switch schedule.name {
        case .cosine: return floor + (rate - floor) * (1 + cos(.pi * t)) / 2
        case .poly: return max(floor, rate * pow(1 - t, schedule.power))
        case .step:
            let epoch = step / stepsPerEpoch
            return max(floor, rate * pow(schedule.gamma, Double(schedule.milestones.filter { $0 <= epoch }.count)))
        case .constant: return rate
        }
    }
}
