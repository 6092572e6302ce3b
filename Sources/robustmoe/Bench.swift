import ArgumentParser
import Training

extension BenchmarkSession.Subject: ExpressibleByArgument {}

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Times convolution kernels, the parts of a training step, or sums over ranks.",
        discussion: "The batch is training.global_batch, the network that of the settings; images are noise.")

    @Argument(help: "kernels, step or collectives.")
    var subject: BenchmarkSession.Subject
    @Option(help: "Append the figures to this CSV file.")
    var csv: String?
    @Option(help: "Timed repetitions after one warm-up.")
    var repetitions = 5
    @Argument(help: "key=value settings.")
    var settings: [String] = []

    func validate() throws {
        if repetitions < 1 { throw ValidationError("--repetitions is \(repetitions), expected at least 1") }
    }

    func run() throws {
        let configuration = try Job.configuration(settings.map { ConfigurationLayer(override: $0) })
        let session = BenchmarkSession(subject, configuration, repetitions: repetitions, csv: csv)
        try Job.run(timeoutSeconds: configuration.distributed.timeoutSeconds) { try session.run($0) }
    }
}
