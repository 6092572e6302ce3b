import Collectives
import Configuration
import Files
import Tensors

/// One invocation of `robustmoe bench`.
package struct BenchmarkSession: Sendable {
    /// What is timed.
    package enum Subject: String, CaseIterable, Sendable {
        case kernels, step, collectives
        /// What `plan` reads: steps on ever more images of a rank, memory, and the link between the ranks.
        case rates
    }

    /// What of a step is timed.
    package enum Part: String, CaseIterable, Sendable {
        /// Logits in evaluation mode.
        case forward
        /// Logits and the gradient of the images, as an attack asks for them.
        case attack
        /// A training step on clean images.
        case clean
        /// A training step on attacked images.
        case adversarial
        /// The attack of the configuration, on images whose labels are what the network says.
        case search

        /// Those of a training step, which are timed where none is named.
        package static let ofStep: [Part] = [.forward, .attack, .clean, .adversarial]
    }

    private struct Row {
        var network = ""
        let measurement: Measurement
        var filterMebibytes: Int?
    }

    private let subject: Subject
    private let configuration: RunConfiguration
    private let repetitions: Int
    private let csv: String?
    private let parts: [Part]
    private let shared: String?
    private let isBesideDense: Bool
    private let measured: String?

    /// Makes a session.
    /// - Parameters:
    ///   - csv: A file to append rows to, or nil.
    ///   - parts: What of a step is timed, in this order.
    ///   - shared: A directory that a step's weights are taken from, or written to where there are none; or nil.
    ///   - isBesideDense: Times the same parts of the network without experts in turn.
    ///   - measured: Where rates are written to; nil only prints them.
    package init(
        _ subject: Subject, _ configuration: RunConfiguration, repetitions: Int, csv: String?,
        parts: [Part] = Part.ofStep, shared: String? = nil, isBesideDense: Bool = false,
        measured: String? = nil
    ) {
        self.subject = subject
        self.configuration = configuration
        self.repetitions = repetitions
        self.csv = csv
        self.parts = parts
        self.shared = shared
        self.isBesideDense = isBesideDense
        self.measured = measured
    }

    /// Times, prints, and writes the table; collective.
    package func run(_ communicator: any Communicator) throws -> ExitStatus {
        let threads = try SessionSite(configuration, communicator).threads
        let say: (String) -> Void = { if communicator.isRoot { Console.print($0) } }
        var rows: [Row] = []
        switch subject {
        case .kernels:
            let results = try KernelBenchmark(
                configuration: configuration, threads: threads, repetitions: repetitions
            ).run()
            rows = results.map { Row(measurement: $0) }
        case .collectives:
            let results = try CollectiveBenchmark(communicator: communicator, repetitions: repetitions).run()
            rows = results.map { Row(measurement: $0) }
        case .step: rows = try timeSteps(communicator, threads: threads, say)
        case .rates: try measureRates(communicator, threads: threads, say)
        }
        for row in rows { say(row.network.isEmpty ? row.measurement.line : "\(row.network): \(row.measurement.line)") }
        if communicator.isRoot, let csv { try write(rows, to: csv, ranks: communicator.size, threads: threads) }
        return .done
    }

    private func measureRates(
        _ communicator: any Communicator, threads: Int, _ say: (String) -> Void
    ) throws {
        let batch = configuration.training.globalBatch
        let rates = try RateMeasurement(
            configuration: configuration, communicator: communicator, threads: threads,
            wanted: (batch + communicator.size - 1) / communicator.size
        ).run()
        for line in rates.lines { say(line) }
        if communicator.isRoot, let measured { try rates.write(to: measured) }
    }

    private func timeSteps(
        _ communicator: any Communicator, threads: Int, _ say: (String) -> Void
    ) throws -> [Row] {
        var configurations = [configuration]
        if isBesideDense {
            configurations.append(configuration)
            configurations[1].moe.kind = .none
        }
        let benchmarks = try configurations.map {
            try StepBenchmark($0, communicator: communicator, threads: threads)
        }
        if let shared { say(try benchmarks[0].share(shared)) }
        let works = try benchmarks.map { try $0.works(parts) }
        let results = try Measurement.inTurn(works.flatMap { $0 }, repetitions: repetitions)
        for benchmark in benchmarks {
            for line in benchmark.findings { say("\(benchmark.networkName): \(line)") }
        }
        say("resident memory: at most \(Self.peakResidentMebibytes) MiB")
        return results.enumerated().map { index, result in
            let benchmark = benchmarks[index / parts.count]
            return Row(
                network: benchmark.networkName, measurement: result, filterMebibytes: benchmark.filterMebibytes)
        }
    }

    /// The most memory that this process has held, in MiB, by the kernel's account.
    private static var peakResidentMebibytes: Int {
        let kibibytes = KernelText.process.value("VmHWM")?.split(separator: " ").first
        return (kibibytes.flatMap { Int($0) } ?? 0) / 1024
    }

    private static let columns =
        ["subject", "ranks", "threads", "batch", "width", "attack_steps", "blas_kernel", "network"]
        + Measurement.columns + ["peak_resident_mebibytes", "filter_mebibytes"]

    private func write(
        _ rows: [Row], to path: String, ranks: Int, threads: Int
    ) throws {
        let writer = try CSVWriter(path: path, columns: Self.columns, runID: RunIdentifier.random())
        let first: [CSVValue] = [
            .text(subject.rawValue), .integer(ranks), .integer(threads), .integer(configuration.training.globalBatch),
            .integer(configuration.model.width ?? 64), .integer(configuration.attack.steps),
            .text(MatrixProduct.kernelName),
        ]
        for row in rows {
            try writer.append(
                first + [.text(row.network)] + row.measurement.cells
                    + [.integer(Self.peakResidentMebibytes), CSVValue(row.filterMebibytes)])
        }
    }
}
