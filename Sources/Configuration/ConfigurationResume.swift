extension RunConfiguration {
    /// What a continued run must not change: whole sections, and single keys.
    private static let fixedOnResume = [
        "model", "moe", "data", "training.method", "training.global_batch", "training.seed",
    ]

    /// The configuration as the lowest layer of its own continuation.
    ///
    /// `training.stop_after_steps` and `training.time_limit` end one invocation, and are left out.
    /// - Parameter origin: Where it was written, such as the run directory's `config.yaml`.
    package func carriedOver(origin: String) -> ConfigurationLayer {
        var carried = self
        carried.training.stopAfterSteps = nil
        carried.training.timeLimit = nil
        return ConfigurationLayer(yaml: carried.yaml(), origin: origin)
    }

    /// Returns what forbids to continue a checkpoint with this configuration, one message a key; empty if nothing does.
    /// - Parameter checkpointed: The configuration that the checkpoint was written with.
    package func resumeConflicts(with checkpointed: RunConfiguration) -> [String] {
        changes(from: checkpointed).compactMap { key, old, new in
            guard Self.fixedOnResume.contains(where: { key == $0 || key.hasPrefix($0 + ".") }) else { return nil }
            return "\(key): the checkpoint has \(old), this run has \(new)"
        }
    }

    /// Returns what differs from another configuration, one line such as `training.epochs: 10 -> 20` a key.
    /// - Parameter other: The configuration before.
    package func changedKeys(from other: RunConfiguration) -> [String] {
        changes(from: other).map { "\($0.key): \($0.old) -> \($0.new)" }
    }

    private func changes(from other: RunConfiguration) -> [(key: String, old: String, new: String)] {
        let (old, new) = (other.written.leaves(), written.leaves())
        let oldText = Dictionary(old.map { ($0.key, $0.text) }, uniquingKeysWith: { first, _ in first })
        let newText = Dictionary(new.map { ($0.key, $0.text) }, uniquingKeysWith: { first, _ in first })
        let keys = new.map(\.key) + old.map(\.key).filter { newText[$0] == nil }
        return keys.compactMap { key in
            let (before, after) = (oldText[key] ?? "absent", newText[key] ?? "absent")
            return before == after ? nil : (key, before, after)
        }
    }
}
