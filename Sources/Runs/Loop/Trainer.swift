import Collectives
import Configuration
import Datasets
import Evaluation
import Files
import Foundation
import NetworkAttacks
import Networks
import Tensors
import Training
import Weights

/// One training run on one rank: epochs of steps, evaluations, tables and checkpoints.
package final class Trainer {
    let configuration: RunConfiguration
    let communicator: any Communicator
    let workspace: Workspace
    let network: Network
    let step: TrainingStep
    let data: RunData
    let stepsPerEpoch: Int
    /// What rank zero writes by, once it may.
    var recorder: RunRecorder?
    /// The checkpoint that this run goes on from.
    let resumed: (name: String, state: RunState, configuration: RunConfiguration)?
    /// What weights a new run begins with, in words; nil where they are random.
    private let beginning: String?
    private let preparer: BatchPreparer
    /// What makes the routers' batches, where they have their own.
    private let routerPreparer: BatchPreparer?
    private var drill: FaultDrill?
    private let started = ContinuousClock.now
    /// What was added up since the last train rows, for each of the method's inputs.
    var windows: [TrainingWindow]
    var bestRobustAccuracy: Double?
    /// What is remembered of the probe.
    var watch = RobustnessWatch()
    /// Steps that changed nothing.
    var skipped = SkippedSteps()
    /// How often the run went back because of each step.
    var returns: [Int: Int] = [:]
    private var normAlarm: GradientNormAlarm?
    /// Steps done since the run began.
    package internal(set) var done = 0
    /// Whether an evaluation after the last step is still to be made.
    var isEvaluationDue = false
    /// The checkpoint of the last step that has one.
    var saved: Checkpoint?
    /// Seconds in which checkpoints were written since the last row.
    var checkpointSeconds = 0.0
    private var lastLine = ContinuousClock.now
    var estimate = TimeEstimate()
    /// What is finished of an evaluation that is being made, and what tells of it; on rank 0.
    var unfinished: UnfinishedEvaluation?
    var reporter: EvaluationReporter?

    /// Builds the network, loads the data and takes up the checkpoint, without writing anything.
    ///
    /// - Parameter checkpoint: Where to go on, on every rank, or nil.
    package init(
        _ configuration: RunConfiguration, communicator: any Communicator, threads: Int, checkpoint: Checkpoint?
    ) throws {
        self.configuration = configuration
        self.communicator = communicator
        MatrixProduct.useOneThread()
        workspace = Workspace(threads: threads)
        let shards = configuration.distributed.deterministicShards
        guard shards == 0 || shards % communicator.size == 0 else {
            throw RunError.unusable(
                "distributed.deterministic_shards is \(shards), expected a multiple of the \(communicator.size) ranks")
        }
        let perRank = configuration.shardsPerRank(communicator.size)
        data = try RunData(configuration, loop: workspace.loop, communicator)
        try configuration.requireAttacks(on: data.train.traits)
        let settings = try configuration.networkSettings(data.train.traits, own: checkpoint)
        network = try Network(settings, seed: configuration.training.seed)
        try configuration.checkExclusions(network.parameters)
        beginning = try checkpoint == nil ? InitialWeights.load(configuration, into: network) : nil
        let training = configuration.training
        let method = configuration.trainingMethod(data.train.traits, communicator)
        windows = method.inputs.map { _ in TrainingWindow() }
        let data = data
        func makePreparer(_ seed: UInt64, _ workspace: Workspace) -> BatchPreparer {
            BatchPreparer(
                imageSet: data.train, extra: data.extra, sampler: data.sampler(configuration, seed: seed),
                augmentations: data.augmentations, seed: seed,
                rank: communicator.rank, ranks: communicator.size, shardsPerRank: perRank, workspace: workspace)
        }
        stepsPerEpoch = data.sampler(configuration, seed: training.seed).stepsPerEpoch
        preparer = makePreparer(training.seed, workspace)
        routerPreparer =
            method.drawsRouterBatch ? makePreparer(training.seed &+ Self.routerStream, workspace) : nil
        step = TrainingStep(
            network, configuration.trainingSettings(stepsPerEpoch: stepsPerEpoch, ranks: communicator.size),
            method: method, communicator: communicator, workspace: workspace)
        normAlarm = training.normAlarm.map { GradientNormAlarm(factor: $0) }
        drill = FaultDrill(ProcessInfo.processInfo.environment["ROBUSTMOE_DRILL"])
        resumed = try checkpoint.map { checkpoint in
            let state = try RunState.read(from: checkpoint)
            let saved = try state.runConfiguration(origin: "\(checkpoint.path)/state.json")
            return (FileSystem.lastComponent(of: checkpoint.path), state, saved)
        }
        if let checkpoint, let resumed { try restore(checkpoint, resumed.state, resumed.configuration) }
    }

    private var total: Int { configuration.training.epochs * stepsPerEpoch }

    /// Whether nothing is left to do.
    package var isFinished: Bool { done >= total && !isEvaluationDue && resumed != nil }

    /// Throws if the step to stop after lies behind the checkpoint.
    package func requireStepsLeft() throws {
        guard let limit = configuration.training.stopAfterSteps, limit <= done, done < total, !isEvaluationDue else {
            return
        }
        throw RunError.unusable(
            "training.stop_after_steps is \(limit), expected above \(done), the step that the run has reached")
    }

    /// Trains to the end, or until asked to stop.
    ///
    /// A checkpoint comes before the evaluation of its step, so that one that is cut short costs no step; it is made up for when
    /// the run goes on.
    /// - Returns: ``Files/ExitStatus/done`` or ``Files/ExitStatus/stoppedEarly``.
    package func run() throws -> ExitStatus {
        try announce()
        lastLine = ContinuousClock.now
        if isEvaluationDue, try evaluate() == .stoppedEarly { return try stopped() }
        // Where the run may go back, there is always something to go back to.
        if configuration.training.onNonFinite == .rollback, resumed == nil { try saveCheckpoint() }
        while done < total, !hasReached(limitAt: done) {
            let (isAsked, wentBack) = try advance()
            if wentBack {
                if isAsked { return try stopped() }
                continue
            }
            let isAtEpochEnd = done % stepsPerEpoch == 0
            if isAtEpochEnd || isRowDue { try closeWindow() }
            isEvaluationDue = isAtEpochEnd && isEvaluated(epoch: done / stepsPerEpoch)
            let isLast = done < total && hasReached(limitAt: done)
            let every = configuration.training.checkpointEvery
            if isAtEpochEnd || isAsked || isLast || every.map({ done % $0 == 0 }) == true {
                if try recoverFromOverflow() {
                    if isAsked { return try stopped() }
                    continue
                }
                try saveCheckpoint()
            }
            if isAsked, done < total || isEvaluationDue { return try stopped() }
            if isEvaluationDue, try evaluate() == .stoppedEarly { return try stopped() }
        }
        if done < total { return try stopped() }
        let epochs = configuration.training.epochs
        try recorder?.say(
            "finished \(epochs) epoch\(epochs == 1 ? "" : "s"), \(done) step\(done == 1 ? "" : "s")", .notice)
        return .done
    }

    private func stopped() throws -> ExitStatus {
        let rest = isEvaluationDue ? ", before its evaluation" : ""
        try recorder?.say(
            "stopped after step \(done) of \(total)\(rest), with a checkpoint; go on with --resume auto", .notice)
        return .stoppedEarly
    }

    /// What tells the routers' batches from the experts'.
    private static let routerStream: UInt64 = 1 << 56

    private var isRowDue: Bool {
        configuration.output.everySteps > 0 && done % configuration.output.everySteps == 0
    }

    /// Whether an evaluation follows this many epochs.
    private func isEvaluated(epoch: Int) -> Bool {
        epoch % configuration.evaluation.everyEpochs == 0 || epoch == configuration.training.epochs
    }

    private func hasReached(limitAt step: Int) -> Bool {
        configuration.training.stopAfterSteps.map { step >= $0 } ?? false
    }

    var wantsToStop: Bool {
        let elapsed = (ContinuousClock.now - started) / .seconds(1)
        let isLate = configuration.training.timeLimit.map { elapsed >= $0.seconds } ?? false
        return StopRequest.isRequested || isLate
    }

    /// Takes one step, or goes back to a checkpoint.
    ///
    /// Returns whether any rank was asked to stop, and whether the run went back.
    private func advance() throws -> (isAsked: Bool, wentBack: Bool) {
        if isPassedOver {
            try passOver()
            return (false, false)
        }
        let start = ContinuousClock.now
        communicator.note("step \(done), its images")
        func batch(_ preparer: BatchPreparer) -> TrainingBatch {
            TrainingBatch(preparer.batch(epoch: done / stepsPerEpoch, step: done % stepsPerEpoch))
        }
        let own = batch(preparer)
        try drill?.happen(rank: communicator.rank, step: done, network.parameters, images: own.images)
        if let due = drill, due.step == done, due.kind.happensOnce { drill = nil }
        let outcome = try step.run(
            own, routerBatch: routerPreparer.map(batch), step: done, wantsToStop: wantsToStop)
        if let finding = outcome.finding {
            return (outcome.isAskedToStop, try recover(from: finding))
        }
        skipped.step()
        let seconds = start.seconds
        TrainingWindow.add(outcome, samples: own.globalSize, loopSeconds: seconds, to: &windows)
        done += 1
        try watchNorms(of: outcome)
        estimate.addStep(seconds: seconds)
        if recorder != nil { LiveLine.show(progress.shortLine ?? "") }
        if (ContinuousClock.now - lastLine) > .seconds(10) { try recorder?.sayProgress(nextLine()) }
        return (outcome.isAskedToStop, false)
    }

    /// Says where the norm of a gradient jumps.
    private func watchNorms(of outcome: StepOutcome) throws {
        for update in outcome.updates {
            guard let median = normAlarm?.note(update.gradientNorm) else { continue }
            try recorder?.say(
                "step \(done): the gradient's norm is \(Console.fixed(update.gradientNorm, 3)), more than "
                    + "\(configuration.training.normAlarm ?? 0) times \(Console.fixed(median, 3)), the median of the updates "
                    + "before", .warning)
        }
    }

    /// What a line about the steps since the last rows tells.
    private var progress: TrainingProgress {
        let epochs = configuration.training.epochs
        let left = (done / stepsPerEpoch + 1..<max(epochs, done / stepsPerEpoch) + 1).filter(isEvaluated(epoch:))
        let attacked = left.count(where: isAttacked(epoch:))
        let isUnknown = [true, false].contains { kind in
            (kind ? attacked : left.count - attacked) > 0 && estimate.lacks(attacked: kind)
        }
        return TrainingProgress(
            epoch: (done - 1) / stepsPerEpoch + 1, epochs: epochs, step: done, steps: total,
            inputs: step.method.inputs, windows: windows, hasExperts: network.settings.mixture != nil,
            secondsLeft: estimate.seconds(
                steps: total - done, attackedEvaluations: attacked, cleanEvaluations: left.count - attacked),
            lacksEvaluations: isUnknown)
    }

    private func nextLine() -> String {
        lastLine = ContinuousClock.now
        return progress.line ?? ""
    }

    /// Writes the train rows of the open window and opens the next one.
    private func closeWindow() throws {
        let last = windows.count - 1
        if windows[last].isEmpty { return }
        communicator.note("step \(done), tables")
        // Of the seconds, those of the slowest rank: waiting hides in them.
        let backward = windows[last].backwardSeconds ?? 0
        let work = windows[last].attackSeconds + backward
        var slowest = [windows[last].attackSeconds, windows[last].waitSeconds, backward, work, -work]
        try communicator.allReduce(&slowest, .max)
        windows[last].attackSeconds = slowest[0]
        windows[last].waitSeconds = slowest[1]
        windows[last].backwardSeconds = slowest[2]
        windows[last].workSeconds = min(-slowest[4], slowest[3])...slowest[3]
        try recorder?.say(nextLine())
        for (index, inputs) in step.method.inputs.enumerated() {
            try recorder?.record(
                windows[index],
                RowPosition(
                    epoch: (done - 1) / stepsPerEpoch + 1, step: done, split: "train", inputs: inputs),
                tellsStep: index == last, checkpointSeconds: index == last ? takeCheckpointSeconds() : nil)
            windows[index] = TrainingWindow()
        }
    }

    /// The seconds of checkpoints that no row has told yet.
    func takeCheckpointSeconds() -> Double {
        defer { checkpointSeconds = 0 }
        return checkpointSeconds
    }

    private static func millions(_ cost: NetworkCost) -> String {
        func text(_ count: Int) -> String { String(format: "%.1f", Double(count) / 1e6) }
        return cost.routers == 0 ? text(cost.path) : "\(text(cost.path)) and, of routers, \(text(cost.routers))"
    }

    private func announce() throws {
        guard let recorder else { return }
        if let beginning { try recorder.say(beginning) }
        let mixture = network.mixtureLayers
        let extraText =
            data.extra.map { " and \(configuration.extraOfBatch) of \($0.count) others in every batch" } ?? ""
        try recorder.say(
            "run \(recorder.runID) in \(recorder.directory.path): \(configuration.model.architecture.rawValue) of "
                + "\(network.parameters.trainableCount) parameters"
                + (mixture.isEmpty
                    ? "" : ", \(configuration.moe.experts) experts in \(mixture.joined(separator: ", "))")
                + PruningMasks.line(network)
                + (network.cost.map { ", \(Self.millions($0)) million multiply-adds an image" } ?? ""))
        try recorder.say(
            "\(configuration.training.method.rawValue) on \(data.trainIndices.count) images of "
                + "\(configuration.data.dataset.rawValue)\(extraText), batch \(configuration.training.globalBatch) over "
                + "\(communicator.size) rank\(communicator.size == 1 ? "" : "s"), \(total - done) of \(total) steps to go"
        )
    }
}

extension TrainingBatch {
    /// A batch as it was prepared for this rank.
    init(_ batch: PreparedBatch) {
        self.init(
            images: batch.images, labels: batch.labels, samples: batch.indices, globalSize: batch.globalSize)
    }
}
