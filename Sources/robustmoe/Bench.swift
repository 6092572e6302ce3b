import ArgumentParser
import Configuration
import Runs

extension BenchmarkSession.Subject: ExpressibleByArgument {}
extension BenchmarkSession.Part: ExpressibleByArgument {}

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Times convolution kernels, the parts of a training step, or sums over ranks; or what plan reads.",
        discussion: "The batch is training.global_batch, the network that of the settings; images are noise.")

    @Argument(help: "kernels, step, collectives or rates.")
    var subject: BenchmarkSession.Subject
    @Option(help: "Append the figures to this CSV file.", completion: .file())
    var csv: String?
    @Option(help: "Timed repetitions after one warm-up.")
    var repetitions = 5
    @Option(parsing: .singleValue, help: "What of a step is timed (may be given several times; everything if not).")
    var part: [BenchmarkSession.Part] = []
    @Option(help: "Take a step's weights from this directory, or write them there, with an attack to compare with.")
    var share: String?
    @Flag(help: "Time the same network without experts in turn.")
    var besideDense = false
    @Option(help: "Write the rates to this file, for plan --measured.")
    var measured: String?
    @Argument(help: "key=value settings.", completion: SettingCompletion.kind)
    var settings: [String] = []

    func validate() throws {
        if repetitions < 1 { throw ValidationError("--repetitions is \(repetitions), expected at least 1") }
        if subject != .step, !part.isEmpty || share != nil || besideDense {
            throw ValidationError("--part, --share and --beside-dense belong to bench step")
        }
        if subject != .rates, measured != nil { throw ValidationError("--measured belongs to bench rates") }
        if subject == .rates, csv != nil { throw ValidationError("bench rates writes no CSV file, but --measured") }
    }

    func run() throws {
        let layers = settings.map { ConfigurationLayer(override: $0) }
        let configuration = try Job.prepare {
            try RunConfiguration.resolveWithWarnings(layers: layers, for: .measurement).configuration
        }
        let session = BenchmarkSession(
            subject, configuration, repetitions: repetitions, csv: csv,
            parts: part.isEmpty ? BenchmarkSession.Part.ofStep : part, shared: share, isBesideDense: besideDense,
            measured: measured)
        try Job.run(timeoutSeconds: configuration.distributed.timeoutSeconds) { try session.run($0) }
    }
}
