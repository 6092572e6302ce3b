import Collectives
import Tensors

/// One invocation of `robustmoe bench`.
public struct BenchmarkSession: Sendable {
    /// What is timed.
    public enum Subject: String, CaseIterable, Sendable {
        case kernels, step, collectives
    }

    private let subject: Subject
    private let configuration: RunConfiguration
    private let repetitions: Int
    private let csv: String?

    /// Makes a session.
    /// - Parameter csv: A file to append rows to, or nil.
    public init(_ subject: Subject, _ configuration: RunConfiguration, repetitions: Int, csv: String?) {
        self.subject = subject
        self.configuration = configuration
        self.repetitions = repetitions
        self.csv = csv
    }

    /// Times, prints, and writes the table; collective.
    public func run(_ communicator: any Communicator) throws -> ExitStatus {
        MatrixProduct.useOneThread()
        let topology = try NodeTopology.gather(communicator)
        let requested: Int? = if case .count(let count) = configuration.distributed.threads { count } else { nil }
        let placement = topology.chooseThreads(requested: requested)
        let threads = placement.threads[communicator.rank]
        if communicator.isRoot {
            for line in placement.summary + placement.warnings.map({ "warning: \($0)" }) { Console.print(line) }
            Console.print(RunEnvironment.kernelLine)
        }
        let results =
            switch subject {
            case .kernels:
                KernelBenchmark(configuration: configuration, threads: threads, repetitions: repetitions).run()
            case .step:
                try StepBenchmark(
                    configuration: configuration, communicator: communicator, threads: threads,
                    repetitions: repetitions
                ).run()
            case .collectives: try CollectiveBenchmark(communicator: communicator, repetitions: repetitions).run()
            }
        guard communicator.isRoot else { return .done }
        for result in results { Console.print(result.line) }
        if let csv {
            let columns = ["subject", "ranks", "threads", "batch", "width"] + Measurement.columns
            let writer = try CSVWriter(path: csv, columns: columns, runID: RunIdentifier.random())
            for result in results {
                try writer.append(
                    [
                        .text(subject.rawValue), .integer(communicator.size), .integer(threads),
                        .integer(configuration.training.globalBatch), .integer(configuration.model.width ?? 64),
                    ] + result.cells)
            }
        }
        return .done
    }
}
