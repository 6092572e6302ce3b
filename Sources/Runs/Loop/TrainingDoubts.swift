import Configuration
import Files
import Networks

extension RunConfiguration {
    /// Throws where `decay_exclude` or `trust_exclude` names what the network does not have: a misspelled name would exclude nothing.
    func checkExclusions(_ parameters: Parameters) throws {
        var optimizers = [("training.optimizer", training.optimizer)]
        if training.method == .advmoe {
            optimizers.append(("training.advmoe.router_optimizer", training.methods.advmoe.routerOptimizer))
        }
        for (section, optimizer) in optimizers {
            let unmatched = [
                ("decay_exclude", optimizer.unmatchedExclusions(parameters.slots)),
                ("trust_exclude", optimizer.unmatchedTrustExclusions(parameters.slots)),
            ]
            for (key, entries) in unmatched {
                guard let entry = entries.first else { continue }
                let names = parameters.slots.filter { !$0.isStatistic }.map(\.name)
                throw RunError.unusable(
                    "\(section).\(key): no parameter of the network is called \(entry); expected the end or the beginning of "
                        + "names such as \(names.prefix(3).joined(separator: ", "))")
            }
        }
    }

    /// Sentences on a batch that was probably not meant.
    func batchDoubts(images: Int, ranks: Int) -> [String] {
        let batch = training.globalBatch
        var result: [String] = []
        if batch > images {
            result.append(
                "training.global_batch is \(batch), there are \(images) training images: every step takes all of them")
        }
        if batch < ranks {
            result.append(
                "training.global_batch is \(batch) for \(ranks) ranks: \(ranks - batch) of them have no image in a step"
            )
        }
        return result
    }
}
