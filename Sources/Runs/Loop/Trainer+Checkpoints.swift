import Configuration
import Files
import Tensors
import Training
import Weights

extension Trainer {
    /// Lets rank 0 write: opens the tables, cut back to the checkpoint, and says where the run goes on.
    ///
    /// - Parameters:
    ///   - directory: The run directory, opened.
    ///   - ownsCheckpoint: Whether the checkpoint is of this directory; from another one's a new run begins.
    package func record(in directory: RunDirectory, ownsCheckpoint: Bool) throws {
        let own = ownsCheckpoint ? resumed?.state : nil
        let recorder = RunRecorder(directory, runID: own?.runID ?? RunIdentifier.random())
        self.recorder = recorder
        try directory.beginCheckpoints(runID: recorder.runID)
        try recorder.tables.cut(to: own?.tableOffsets)
        if configuration.output.tensorBoard { try recorder.beginEvents() }
        let doubts = configuration.batchDoubts(
            images: data.sampler(configuration, seed: 0).count, ranks: communicator.size)
        for warning in data.warnings + doubts { try recorder.say(warning, .warning) }
        guard let resumed else { return }
        let (name, state, saved) = resumed
        // A best checkpoint elsewhere is none of this run's.
        if own != nil { try directory.checkpoints.point(.latest, at: state.step) } else { bestRobustAccuracy = nil }
        try recorder.say("resumed from \(name) (run \(state.runID))")
        for change in configuration.changedKeys(from: saved) { try recorder.say("  changed: \(change)") }
        if state.blasKernel != MatrixProduct.kernelName {
            try recorder.say(
                "the checkpoint was computed with BLAS kernel \(state.blasKernel), this host picks "
                    + "\(MatrixProduct.kernelName): results go on correctly, but not bit for bit", .warning)
        }
        if state.ranks != communicator.size {
            try recorder.say("  ranks: \(state.ranks) -> \(communicator.size)")
            if saved.distributed.errorFeedback, state.ranks > 1 {
                try recorder.say(
                    "  what \(state.ranks) ranks had not sent of gradients "
                        + (step.unsent == nil ? "is left out" : "is divided among \(communicator.size)"))
            }
        }
    }

    /// Compares the replicas and writes a checkpoint; collective.
    func saveCheckpoint() throws {
        communicator.note("step \(done), checkpoint")
        try ReplicaCheck.run(network.parameters, communicator)
        try requireFinite()
        let unsent = try gatheredUnsent()
        guard let recorder else { return }
        let start = ContinuousClock.now
        defer { checkpointSeconds += (ContinuousClock.now - start) / .seconds(1) }
        let store = recorder.directory.checkpoints
        let files = [
            CheckpointFile(name: Checkpoint.modelFile, tensors: modelTensors),
            CheckpointFile(name: Self.optimizerFile, tensors: optimizerTensors),
            CheckpointFile(name: Checkpoint.stateFile, tensors: stateTensors + unsent),
        ]
        saved = try store.write(step: done, files: files + [try stateFile(recorder)]) { [communicator, done] file in
            communicator.note("step \(done), writing \(file)")
        }
        try store.prune(keep: configuration.training.keep)
        try recorder.say("checkpoint \(CheckpointStore.name(ofStep: done))", .debug)
    }

    /// Writes into the checkpoint of this step that its evaluation was made, and what came of it.
    /// - Parameter isBest: Whether it was the best so far.
    func saveEvaluation(isBest: Bool) throws {
        guard let recorder, let saved else { return }
        let start = ContinuousClock.now
        defer { checkpointSeconds += (ContinuousClock.now - start) / .seconds(1) }
        let kept = try [Checkpoint.modelFile, Self.optimizerFile, Checkpoint.stateFile].map {
            try CheckpointFile(name: $0, keptFrom: saved)
        }
        let store = recorder.directory.checkpoints
        self.saved = try store.write(step: done, files: kept + [try stateFile(recorder)], best: isBest) {
            [communicator, done] file in communicator.note("step \(done), writing \(file)")
        }
        // A best checkpoint of before may be one too many now.
        try store.prune(keep: configuration.training.keep)
    }

    private func stateFile(_ recorder: RunRecorder) throws -> CheckpointFile {
        let state = RunState(
            runID: recorder.runID, step: done, stepsPerEpoch: stepsPerEpoch, configuration: configuration.yaml(),
            configurationHash: RunState.hash(of: configuration), tableOffsets: try recorder.tables.offsets(),
            blasKernel: MatrixProduct.kernelName, ranks: communicator.size, windows: windows,
            bestRobustAccuracy: bestRobustAccuracy, isEvaluationDue: isEvaluationDue, images: data.identity,
            extra: data.extra.map(ExtraIdentity.init), skipped: skipped, watch: watch)
        return CheckpointFile(name: "state.json", bytes: try state.data())
    }

    /// Takes up weights, momentum and counters, if the configuration may go on with them.
    func restore(_ checkpoint: Checkpoint, _ runState: RunState, _ saved: RunConfiguration) throws {
        let conflicts = configuration.resumeConflicts(with: saved)
        guard conflicts.isEmpty else {
            throw RunError.checkpoint(
                "\(checkpoint.path) cannot be continued with this configuration:\n  "
                    + (conflicts + mismatch(checkpoint)).joined(separator: "\n  "))
        }
        if let difference = data.identity.difference(from: runState.images) {
            let changed = configuration.changedImageKeys(from: saved)
            throw RunError.checkpoint(
                "\(checkpoint.path) cannot be continued with these images: found \(difference)"
                    + (changed.isEmpty ? "" : " (\(changed.joined(separator: ", ")))"))
        }
        let extra = data.extra.map(ExtraIdentity.init)
        if extra != runState.extra {
            throw RunError.checkpoint(
                "\(checkpoint.path) cannot be continued with these images: found \(extra.words) of data.extra, the checkpoint has "
                    + runState.extra.words)
        }
        try runState.validateWindows(inputs: step.method.inputs.count, network, from: checkpoint.path)
        try loadModel(checkpoint)
        let place = "\(checkpoint.path)/\(Self.optimizerFile)"
        var open = try checkpoint.tensors(in: Self.optimizerFile)
        for (index, (name, arena)) in step.optimizer.state.enumerated().reversed() {
            // Each arena takes what is its own; what is nobody's is left to the first, which refuses it.
            let own = index == 0 ? open : open.filter { $0.key.hasSuffix(".\(name)") }
            try ModelTensors.load(own, suffix: name, into: arena, network, from: place)
            for key in own.keys { open[key] = nil }
        }
        try restoreMethodState(checkpoint, savedRanks: runState.ranks)
        done = runState.step
        windows = runState.windows
        bestRobustAccuracy = runState.bestRobustAccuracy
        isEvaluationDue = runState.isEvaluationDue
        skipped = runState.skipped ?? SkippedSteps()
        watch = runState.watch ?? RobustnessWatch()
        self.saved = checkpoint
    }

    private var modelTensors: [NamedTensor] {
        step.scores?.withoutMasked { ModelTensors.tensors(network) } ?? ModelTensors.tensors(network)
    }

    private static let optimizerFile = "optimizer.safetensors"

    private var optimizerTensors: [NamedTensor] {
        step.optimizer.state.flatMap { ModelTensors.tensors(network, arena: $0.arena, suffix: $0.name) }
    }

    /// What is kept from step to step beside weights and the optimizer's state.
    private var stateTensors: [NamedTensor] {
        step.method.state + step.optimizerCounts + (step.average?.tensors(network) ?? [])
            + (step.scores?.tensors ?? PruningMasks.tensors(network))
    }

    private func restoreMethodState(_ checkpoint: Checkpoint, savedRanks: Int) throws {
        let tensors = try checkpoint.tensors(in: Checkpoint.stateFile)
        let place = "\(checkpoint.path)/\(Checkpoint.stateFile)"
        try step.restoreMethod(tensors, from: place)
        try step.restoreOptimizerCounts(tensors, from: place)
        try step.scores?.restore(tensors, from: place)
        try restoreUnsent(tensors, savedRanks: savedRanks, from: place)
        if let average = step.average {
            // A run that begins to average when it goes on begins with the weights it has.
            if WeightAverage.isIn(tensors) {
                try average.restore(tensors, network, from: place)
            } else {
                average.begin(network.parameters)
            }
        }
    }

    private func loadModel(_ checkpoint: Checkpoint) throws {
        try ModelTensors.load(weightsOf: checkpoint, into: network)
    }

    /// What the model of another configuration first runs into, if it does.
    private func mismatch(_ checkpoint: Checkpoint) -> [String] {
        do {
            try loadModel(checkpoint)
            return []
        } catch { return ["\(error)"] }
    }
}
