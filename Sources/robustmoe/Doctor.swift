import ArgumentParser
import Files
import Runs

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks what a run needs on every host of the job, and says what to type where it is missing.",
        discussion: """
            A plain process checks this machine; under mpirun or srun, as the run would be started, all hosts and the \
            connections between them. Ends with 0, or with 7 where runs would fail.
            """)

    @Option(help: "The directory that runs are to be written to.")
    var output = "results"
    @Flag(help: "Print the checks as JSON.")
    var json = false

    func run() throws {
        let session = DoctorSession(output: output, asJSON: json)
        if let status = try Job.prepare({ try session.stopBeforeMPI() }) { throw ExitCode(status.rawValue) }
        try Job.run(timeoutSeconds: 60) { try session.run($0) }
    }
}
