import Files
import Networks
import Training

// What a run does about values that are not finite. Every rank knows of them by the step's own sums, and does the same.
extension Trainer {
    /// How often a run goes back because of one step before it goes on without it: the first time whatever it was may have been
    /// the memory's fault, and does not come again.
    private static let mostReturns = 2

    /// Goes on after a step with a value that is not finite, as the configuration has it; collective.
    /// - Returns: Whether the run went back to a checkpoint.
    /// - Throws: ``RunError/numerical(_:)`` where too many steps in a row changed nothing.
    func recover(from finding: String) throws -> Bool {
        guard configuration.training.onNonFinite == .rollback else {
            try skipped.skip(finding)
            done += 1
            try recorder?.say("\(finding). The step was skipped, as were \(skipped.count - 1) others so far", .warning)
            return false
        }
        let failed = done
        returns[failed, default: 0] += 1
        try goBack()
        let then = isBeyondReturns(failed) ? "and will leave out step \(failed)" : "and takes all steps again"
        try recorder?.say("\(finding). The run goes back to step \(done), \(then)", .warning)
        return true
    }

    /// Whether the run goes on without the step that is next.
    var isPassedOver: Bool { isBeyondReturns(done) }

    /// Goes on without the step that is next.
    func passOver() throws {
        try skipped.skip("step \(done): a value was not finite whenever the run came to it.")
        try recorder?.say("step \(done) is left out, as were \(skipped.count - 1) others so far", .warning)
        done += 1
    }

    private func isBeyondReturns(_ step: Int) -> Bool { returns[step, default: 0] >= Self.mostReturns }

    /// Takes up the newest whole checkpoint, and cuts the tables to it; collective.
    private func goBack() throws {
        let path = try TrainingSession.shared(recorder.map(newest) ?? "", communicator)
        guard !path.isEmpty else { throw RunError.checkpoint("expected a checkpoint to go back to, found none") }
        let checkpoint = try Checkpoint.verify(path)
        let state = try RunState.read(from: checkpoint)
        try restore(checkpoint, state, state.runConfiguration(origin: "\(path)/state.json"))
        try recorder?.tables.cut(to: state.tableOffsets)
    }

    /// The checkpoint that was written or taken up last, or an older one where that is damaged.
    private func newest(_ recorder: RunRecorder) throws -> String {
        if let saved, let whole = try? Checkpoint.verify(saved.path) { return whole.path }
        return try recorder.directory.checkpoints.latestWhole().checkpoint?.path ?? ""
    }

    /// What is not finite after the last step, in words, though its values were: an update may leave the range of floats.
    ///
    /// Looked at before a checkpoint is made of it; the same on all ranks where replicas are.
    var overflow: String? {
        let parameters = network.parameters
        let slot = parameters.slots.first { !parameters.values(of: $0).allSatisfy(\.isFinite) }
        return slot.map { "step \(done - 1): \($0.name) is not finite after it" }
    }

    /// Goes back from weights that are not finite, where the run is to; collective.
    /// - Returns: Whether it did.
    func recoverFromOverflow() throws -> Bool {
        guard configuration.training.onNonFinite == .rollback, let overflow else { return false }
        done -= 1
        return try recover(from: overflow)
    }

    /// Refuses to keep, on all ranks alike, what nobody could go on with.
    func requireFinite() throws {
        guard let overflow else { return }
        throw RunError.numerical("\(overflow); no checkpoint was made of it, the last one is from before")
    }
}
