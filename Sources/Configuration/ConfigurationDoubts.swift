import Attacks

extension RunConfiguration {
    /// Sentences on settings that are possible together and were probably not meant.
    var doubts: [String] {
        scheduleDoubts + arithmeticDoubts + attackDoubts(attack, "attack")
            + (evaluation.attacks ?? []).enumerated().flatMap {
                attackDoubts($0.element, "evaluation.attacks.\($0.offset)")
            }
    }

    private var arithmeticDoubts: [String] {
        guard kernels.arithmetic == .bfloat16, trainingAttack == nil else { return [] }
        return [
            "kernels.arithmetic: bfloat16 is for passes of attacks alone, and training.method: "
                + "\(training.method.rawValue) has none"
        ]
    }

    private var scheduleDoubts: [String] {
        var schedules = [("training.schedule", training.schedule)]
        if training.method == .advmoe {
            schedules.append(("training.advmoe.router_schedule", training.methods.advmoe.routerSchedule))
        }
        let epochs = training.epochs
        return schedules.flatMap { section, schedule in
            let late = schedule.name == .step ? schedule.milestones.filter { $0 >= epochs } : []
            var result = late.map {
                "\(section).milestones: \($0) is never reached, the run ends after \(epochs) epochs (training.epochs)"
            }
            if schedule.warmupEpochs >= Double(epochs) {
                result.append(
                    "\(section).warmup_epochs: the rate rises for \(schedule.warmupEpochs.written.flow) epochs, the run ends "
                        + "after \(epochs) (training.epochs)")
            }
            return result
        }
    }

    private func attackDoubts(_ attack: Attack, _ section: String) -> [String] {
        var result: [String] = []
        if attack.hasStepSize, attack.steps > 0, attack.stepSize > 2 * attack.epsilon {
            result.append(
                "\(section).step_size: \(text(of: attack.stepSize, at: "\(section).step_size")) is more than twice "
                    + "\(section).epsilon, \(text(of: attack.epsilon, at: "\(section).epsilon")): every step ends at the "
                    + "edge of the ball")
        }
        if attack.isGradientSearch, attack.restarts > 1, attack.resolvedStart == .none {
            result.append(
                "\(section).restarts: all \(attack.restarts) begin at the clean images (\(section).start) and find the same"
            )
        }
        return result
    }
}
