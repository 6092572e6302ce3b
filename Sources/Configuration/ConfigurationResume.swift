extension RunConfiguration {
    /// What a continued run must not change: whole sections, and single keys.
    ///
    /// The images are compared by their contents, wherever they lie.
    private static let fixedOnResume = [
        "model", "moe", "training.method", "training.parameters", "training.global_batch", "training.seed",
        "training.validation_fraction", "data.extra_share",
    ]

    /// The configuration as the lowest layer of its own continuation.
    ///
    /// `training.stop_after_steps`, `training.time_limit` and `evaluation.time_limit` end one invocation, and are left out.
    /// - Parameter origin: Where it was written, such as the run directory's `config.yaml`.
    package func carriedOver(origin: String) -> ConfigurationLayer {
        var carried = self
        carried.training.stopAfterSteps = nil
        carried.training.timeLimit = nil
        carried.evaluation.timeLimit = nil
        return ConfigurationLayer(yaml: carried.yaml(), origin: origin, giver: .program)
    }

    /// Returns what forbids to continue a checkpoint with this configuration, one message a key; empty if nothing does.
    /// - Parameter checkpointed: The configuration that the checkpoint was written with.
    package func resumeConflicts(with checkpointed: RunConfiguration) -> [String] {
        changes(from: checkpointed).compactMap { key, old, new in
            guard Self.fixedOnResume.contains(where: { key == $0 || key.hasPrefix($0 + ".") }) else { return nil }
            return "\(key): the checkpoint has \(old), this run has \(new)"
        }
    }

    /// Every single value by its dotted key, but for some keys.
    package func leaves(except left: Set<String>) -> [String: String] {
        let leaves = written.leaves().filter { !left.contains($0.key) }
        return Dictionary(leaves.map { ($0.key, $0.text) }, uniquingKeysWith: { first, _ in first })
    }

    /// The values, by dotted key, that the results of an evaluation depend on.
    ///
    /// The images are compared by their contents, wherever they lie, and the weights by theirs.
    package var evaluationLeaves: [String: String] {
        let sections = [
            "model.", "moe.", "attack.", "evaluation.", "kernels.arithmetic", "training.seed", "data.dataset",
            "output.per_sample_long",
        ]
        let without = [
            "evaluation.time_limit", "evaluation.every_epochs", "evaluation.attacks_every_epochs",
            "evaluation.probe_samples",
        ]
        return leaves(except: Set(without)).filter { leaf in sections.contains { leaf.key.hasPrefix($0) } }
    }

    /// Returns what differs from a checkpoint's configuration in the network.
    package func changedNetworkKeys(from checkpointed: RunConfiguration) -> [String] {
        changes(from: checkpointed).filter { $0.key.hasPrefix("model.") || $0.key.hasPrefix("moe.") }.map {
            "\($0.key): the checkpoint has \($0.old), this run has \($0.new)"
        }
    }

    /// Returns what differs from another configuration among the settings that choose images, such as
    /// `data.train_samples: null -> 100`.
    package func changedImageKeys(from other: RunConfiguration) -> [String] {
        changes(from: other).filter { change in
            change.key.hasPrefix("data.") || ["training.seed", "training.validation_fraction"].contains(change.key)
        }.map { "\($0.key): \($0.old) -> \($0.new)" }
    }

    /// Returns what differs from another configuration, one line such as `training.epochs: 10 -> 20` a key.
    /// - Parameter other: The configuration before.
    package func changedKeys(from other: RunConfiguration) -> [String] {
        changes(from: other).map { "\($0.key): \($0.old) -> \($0.new)" }
    }

    private func changes(from other: RunConfiguration) -> [(key: String, old: String, new: String)] {
        func texts(_ node: ConfigurationNode) -> [String: String] {
            Dictionary(node.leaves().map { ($0.key, $0.text) }, uniquingKeysWith: { first, _ in first })
        }
        let (old, new) = (texts(other.written), texts(written))
        // Numbers are compared by value and shown as they were written.
        let (oldShown, newShown) = (texts(other.written.spelled(other.spellings)), texts(written.spelled(spellings)))
        let keys = written.leaves().map(\.key) + other.written.leaves().map(\.key).filter { new[$0] == nil }
        return keys.filter { old[$0] != new[$0] }.map { key in
            (key, oldShown[key] ?? "absent", newShown[key] ?? "absent")
        }
    }
}
