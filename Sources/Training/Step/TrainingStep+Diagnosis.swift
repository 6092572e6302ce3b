import Files
import Networks
import Tensors

extension TrainingStep {
    /// Finds the first layer that gives a value that is not finite, on the ranks where that happens, and returns the
    /// error of the whole job; collective.
    /// - Parameters:
    ///   - what: What was found not to be finite, in words.
    ///   - isOwn: Whether that is so of this rank's images.
    func diagnose(_ what: String, _ images: [Tensor], _ batch: TrainingBatch, step: Int, isOwn: Bool) throws -> RunError
    {
        var finding = ""
        if isOwn {
            var pass = passes.frozen(samples: batch.samples)
            // The solo form of what the training pass did: nobody else may be asked.
            pass.normalization = .local
            pass.folds = false
            pass.statistics = SoloStatistics()
            pass.checksValues = true
            let place = "rank \(communicator.rank) on \(communicator.hostName)"
            if let bad = images.first(where: { !$0.elements.allSatisfy(\.isFinite) }) {
                finding = "\(place): the images themselves are not finite (\(bad.shape))"
            } else {
                do {
                    _ = try network.forward(images, pass)
                    finding = "\(place): every layer's output is finite, yet \(what) is not"
                } catch { finding = "\(place): \(error)" }
            }
        }
        let findings = try communicator.gather([UInt8](finding.utf8), to: 0)
        // Rank 0 tells all of it; each other rank, if it comes to speak, what happened on itself.
        let all = findings.map { String(decoding: $0, as: UTF8.self) }.filter { !$0.isEmpty }
        let text = all.isEmpty ? (finding.isEmpty ? "See rank 0's message" : finding) : all.joined(separator: "; ")
        return RunError.numerical("step \(step): \(what) is not finite. \(text)")
    }
}
