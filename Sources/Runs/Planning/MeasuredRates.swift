import Files
import Foundation

/// What a plan is worked out from: how fast a rank computes, how much memory it takes, and how fast ranks exchange.
package struct MeasuredRates: Codable, Equatable, Sendable {
    /// A training step on so many images of a rank.
    package struct Step: Codable, Equatable, Sendable {
        package var images: Int
        /// Seconds of the step, nobody being waited for: the slowest rank's where several measured at once.
        package var seconds: Double
        /// Seconds of it in attacks.
        package var attackSeconds: Double
        /// Bytes of tensors that the rank had taken from the system.
        package var tensorBytes: Int
        /// Bytes that an evaluation takes beside them: it finds their blocks of memory, and needs some of other sizes.
        package var evaluationBytes: Int
    }

    /// One pass over a chunk of an evaluation.
    package struct Evaluation: Codable, Equatable, Sendable {
        package var images: Int
        /// Seconds of the clean images' pass.
        package var forwardSeconds: Double
        /// Seconds of an attack's step.
        package var attackSeconds: Double
    }

    /// What a rank exchanges in a step.
    package struct Exchange: Codable, Equatable, Sendable {
        /// Bytes of gradients.
        package var gradientBytes: Int
        /// The parts that they are sent in.
        package var buckets: Int
        /// Small sums that the ranks wait for one after the other: statistics, routers, the step's own.
        package var smallSums: Int
    }

    /// How fast ranks exchange.
    package struct Link: Codable, Equatable, Sendable {
        /// Seconds until a short message is there.
        package var latencySeconds: Double
        package var bytesPerSecond: Double
        /// How this is known, in words.
        package var origin: String

        /// The link for people.
        var words: String {
            "\(Console.significant(bytesPerSecond * 8 / 1e9)) Gbit/s, \(Console.significant(latencySeconds * 1e6)) us (\(origin))"
        }
    }

    /// The version of this form.
    package static let version = 2
    package var version = MeasuredRates.version
    /// The network in words, for people.
    package var network: String
    /// What tells settings on which the figures hang from others.
    package var settings: String
    package var processor: String
    package var blasKernel: String
    /// The ranks that measured at the same time on a host.
    package var ranksOfHost: Int
    /// The hosts that measured at the same time.
    package var hosts: Int
    package var threads: Int
    /// Steps on ever more images.
    package var steps: [Step]
    package var evaluation: Evaluation
    package var exchange: Exchange
    /// Bytes of a rank beside tensors and images: program, libraries, weights, gradients, optimizer.
    package var fixedBytes: Int
    /// The link between the ranks that measured; nil where there was one rank.
    package var link: Link?

}

extension MeasuredRates {
    /// Seconds of a step on so many images: between measured numbers on a line, past the last on the line of the last two.
    func stepSeconds(images: Int) -> Double { interpolated(images) { $0.seconds } }

    /// Seconds of its attacks.
    func attackSeconds(images: Int) -> Double { interpolated(images) { $0.attackSeconds } }

    /// Bytes of tensors of such a step; no less than those of a smaller one.
    func tensorBytes(images: Int) -> Int { Int(interpolated(images) { Double($0.tensorBytes) }) }

    /// Bytes that an evaluation takes beside such a step: those of the measured step that is next below, since a larger one leaves
    /// an evaluation no more to take.
    func evaluationBytes(images: Int) -> Int {
        (steps.last { $0.images <= images } ?? steps.first)?.evaluationBytes ?? 0
    }

    private func interpolated(_ images: Int, _ value: (Step) -> Double) -> Double {
        guard let first = steps.first, let last = steps.last else { return 0 }
        guard steps.count > 1 else { return value(first) * max(1, Double(images) / Double(first.images)) }
        if images <= first.images { return value(first) }
        let upper = steps.firstIndex { $0.images >= images } ?? steps.count - 1
        let (low, high) = (steps[upper - 1], steps[upper])
        let slope = (value(high) - value(low)) / Double(high.images - low.images)
        // Noise must not make a larger batch cheaper.
        return value(low) + max(0, slope) * Double(min(images, last.images) - low.images)
            + (images > last.images
                ? max(slope, value(last) / Double(last.images) / 2) * Double(images - last.images) : 0)
    }

    /// The figures for people.
    var lines: [String] {
        steps.map { step in
            "step on \(step.images) image\(step.images == 1 ? "" : "s") of a rank: \(Console.significant(step.seconds)) s, "
                + "\(Console.significant(step.attackSeconds)) s of it attack; tensors \(step.tensorBytes >> 20) MiB"
                + ", \(step.evaluationBytes >> 20) MiB more in evaluations"
        } + [
            "evaluation, \(evaluation.images) images: \(Console.significant(evaluation.forwardSeconds)) s, "
                + "\(Console.significant(evaluation.attackSeconds)) s a step of an attack",
            "exchange: \(exchange.gradientBytes) bytes in \(exchange.buckets) parts, short sums: \(exchange.smallSums); "
                + "beside tensors and images a rank holds \(fixedBytes >> 20) MiB",
            link.map(\.words).map { "link: \($0)" } ?? "link: not measured, there is one rank",
        ]
    }

    /// Reads what ``write(to:)`` has written.
    /// - Throws: ``Files/RunError/unusable(_:)`` where it is of another form.
    package init(file path: String) throws {
        let text = try FileSystem.text(of: path)
        do {
            self = try JSONDecoder.ofRates.decode(MeasuredRates.self, from: Data(text.utf8))
        } catch {
            throw RunError.unusable(
                "\(path): expected the figures that bench rates writes, found another file: \(error)")
        }
        guard version == MeasuredRates.version, !steps.isEmpty,
            steps.allSatisfy({ $0.images > 0 && $0.seconds > 0 }),
            zip(steps, steps.dropFirst()).allSatisfy({ $0.images < $1.images })
        else {
            throw RunError.unusable(
                "\(path): expected figures of version \(MeasuredRates.version) with steps on ever more images")
        }
    }

    /// Writes the figures as JSON.
    package func write(to path: String) throws {
        try FileSystem.replace(path, with: try JSONEncoder.ofPlans.text(self) + "\n")
    }
}

extension JSONEncoder {
    /// Sorted keys in snake case, for people and programs.
    static var ofPlans: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        return encoder
    }

    /// A value as text.
    func text(_ value: some Encodable) throws -> String { String(decoding: try encode(value), as: UTF8.self) }
}

extension JSONDecoder {
    /// What reads ``JSONEncoder/ofPlans``.
    static var ofRates: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }
}
