import Files
import Networks
import Tensors

extension TrainingStep {
    /// Finds the first layer that gives a value that is not finite, on the ranks where that happens; collective.
    /// - Parameters:
    ///   - what: What was found not to be finite, in words.
    ///   - isOwn: Whether that is so of this rank's images.
    func diagnose(
        _ what: String, _ images: [Tensor], _ batch: TrainingBatch, step: Int, isOwn: Bool
    ) throws -> NonFiniteValue {
        var finding: String?
        if isOwn {
            var pass = passes.frozen(samples: batch.samples)
            // The solo form of what the training pass did: nobody else may be asked.
            pass.normalization = .local
            pass.folds = false
            pass.statistics = SoloStatistics()
            pass.checksValues = true
            if let bad = images.first(where: { !$0.elements.allSatisfy(\.isFinite) }) {
                finding = "the images themselves are not finite (\(bad.shape))"
            } else {
                do { _ = try network.forward(images, pass) } catch { finding = "\(error)" }
            }
        }
        return try told(
            "step \(step): \(what) is not finite", finding,
            orElse: isOwn ? "every layer's output is finite, yet \(what) is not" : nil)
    }

    /// Finds the first parameter, as the backward pass comes to them, whose gradient is not finite, on the ranks whose own images
    /// make it so; collective.
    /// - Parameter norm: That of the global gradient.
    func diagnoseGradient(norm: Double, step: Int) throws -> NonFiniteValue {
        let total = exchange.total
        func largest(_ slot: Slot) -> Float {
            total[slot.range].reduce(0) { $1.isFinite ? max($0, abs($1)) : .infinity }
        }
        let slots = network.parameters.slots.filter { !$0.isStatistic && exchange.gradients.groups.contains($0.group) }
        let worst = slots.reversed().max { largest($0) < largest($1) }
        return try told(
            "step \(step): the norm of the gradient is \(norm), expected a finite number",
            exchange.notFinite.map { "the gradient of \($0.name) is not finite" },
            orElse: worst.map { "gradients are finite, their sum is largest at \($0.name): \(largest($0))" })
    }

    /// Puts together what ranks have found.
    ///
    /// Where values of all ranks meet in a pass, more ranks see what is wrong than find where it begins: what they say counts
    /// where nobody has found that.
    /// - Parameter other: What this rank says where none has a finding.
    private func told(_ what: String, _ finding: String?, orElse other: String?) throws -> NonFiniteValue {
        let kind = finding != nil ? "+" : other != nil ? "-" : ""
        let text = finding ?? other
        let own = text.map { "rank \(communicator.rank) on \(communicator.hostName): \($0)" } ?? ""
        let all = try communicator.gather([UInt8]((kind + own).utf8), to: 0).map { String(decoding: $0, as: UTF8.self) }
        let found = all.filter { $0.hasPrefix("+") }
        let texts = (found.isEmpty ? all.filter { $0.hasPrefix("-") } : found).map { String($0.dropFirst()) }
        // Rank 0 tells of all; each other rank, if it comes to speak, what happened on itself.
        guard communicator.isRoot else {
            return NonFiniteValue(finding: "\(what). \(own.isEmpty ? "See rank 0's message" : own)")
        }
        let more = texts.count - Self.mostTold
        return NonFiniteValue(
            finding: "\(what). " + texts.prefix(Self.mostTold).joined(separator: "; ")
                + (more > 0 ? "; and so on \(more) other ranks" : ""))
    }

    /// Ranks whose findings are told.
    private static let mostTold = 8
}
