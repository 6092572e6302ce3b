import Files
import Networks
import Training

// A checkpoint's hashes say that it is what somebody wrote, not that it is what this program did: a number out of its range
// would end the program in the middle of the run.
extension RunState {
    /// Counts that a Double holds exactly, as experts' are kept.
    private static let counts = 0...1 << 53

    /// Checks that every number is one that a run can write, and that the step is the manifest's.
    /// - Throws: ``RunError/checkpoint(_:)`` that names the field, the value and what is allowed.
    func validate(of checkpoint: Checkpoint) throws {
        func require(_ condition: Bool, _ field: String, _ found: some Any, _ allowed: String) throws {
            guard condition else {
                throw RunError.checkpoint(
                    "\(checkpoint.path)/state.json: \(field): found \(found), expected \(allowed)".printableLine)
            }
        }
        func require(_ range: ClosedRange<Int>, _ field: String, _ found: Int) throws {
            try require(
                range.contains(found), field, found, "from \(range.lowerBound) to \(range.upperBound)")
        }
        try require(step == checkpoint.step, "step", step, "\(checkpoint.step), the step of its manifest")
        try require(Self.counts, "step", step)
        try require(1...1 << 32, "steps_per_epoch", stepsPerEpoch)
        try require(1...1 << 24, "ranks", ranks)
        try require(
            (1...64).contains(runID.utf8.count) && FileSystem.isPlainName(runID), "run_id", runID,
            "1 to 64 bytes of a plain name")
        for (table, offset) in tableOffsets.sorted(by: { $0.key < $1.key }) {
            try require(Self.counts, "table_offsets.\(table)", offset)
        }
        try require(0...1 << 40, "data.images", images.images)
        try require(0...max(0, images.images), "data.validation_images", images.validationImages)
        if let extra { try require(1...1 << 40, "extra_data.images", extra.images) }
        if let best = bestRobustAccuracy {
            try require((0...1).contains(best), "best_robust_accuracy", best, "from 0 to 1")
        }
        if let skipped {
            try require(Self.counts, "skipped.count", skipped.count)
            try require(0...SkippedSteps.mostInARow, "skipped.inARow", skipped.inARow)
        }
        try require(watch?.isPlausible ?? true, "watch", "another one", "accuracies from 0 to 1")
        for (index, window) in windows.enumerated() {
            let name = "windows.\(index)"
            let counts = [
                ("updates", window.updates), ("samples", window.samples), ("passedImages", window.passedImages),
                ("correct", window.correct),
            ]
            for (field, count) in counts {
                try require(Self.counts, "\(name).\(field)", count)
            }
            for (layer, usage) in window.layers.enumerated() {
                try require(
                    usage.sums.isPlausible(within: Self.counts), "\(name).layers.\(layer).sums", usage.layer,
                    "as many numbers of each kind, counts from 0 to \(Self.counts.upperBound)")
            }
        }
    }

    /// Checks that the windows are those of a method with so many kinds of inputs, on a network.
    /// - Throws: ``RunError/checkpoint(_:)`` that names what differs.
    func validateWindows(inputs: Int, _ network: Network, from path: String) throws {
        func refusal(_ field: String, _ found: some Any, _ allowed: String) -> RunError {
            .checkpoint("\(path)/state.json: \(field): found \(found), expected \(allowed)".printableLine)
        }
        guard windows.count == inputs else {
            throw refusal("windows", windows.count, "\(inputs), one for each kind of the method's inputs")
        }
        let experts = network.settings.mixture?.router.experts ?? 0
        for (index, window) in windows.enumerated() where !window.layers.isEmpty {
            let layers = window.layers.map(\.layer)
            guard layers.sorted() == network.mixtureLayers.sorted() else {
                throw refusal("windows.\(index).layers", layers, "\(network.mixtureLayers)")
            }
            for usage in window.layers where usage.sums.chosen.count != experts {
                throw refusal(
                    "windows.\(index).layers", "\(usage.sums.chosen.count) experts of \(usage.layer)", "\(experts)")
            }
        }
    }
}

extension RouterSums {
    /// Whether there are as many sums of each kind, finite ones, and counts within a range.
    fileprivate func isPlausible(within counts: ClosedRange<Int>) -> Bool {
        let range = Double(counts.lowerBound)...Double(counts.upperBound)
        return [probability, squares, best].allSatisfy { $0.count == chosen.count && $0.allSatisfy(\.isFinite) }
            && entropy.isFinite && ([images] + best + chosen).allSatisfy(range.contains)
    }
}
