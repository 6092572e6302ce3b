import ArgumentParser
import Collectives
import Reports
import Runs

struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what runs came to: accuracies with intervals, and the use of experts.",
        discussion: """
            --joined is for the output of launch/sweep: runs.csv has a row a run, and other tables have the runs' rows
            under the sweep's columns.
            """)

    @Argument(help: "Run directories; a sweep's stands for those of its runs.")
    var runs: [String] = []
    @Option(help: "The directory of a sweep: put the tables of its runs below each other there, and show accuracies.")
    var joined: String?

    func validate() throws {
        if runs.isEmpty == (joined == nil) {
            throw ValidationError("expected run directories, or --joined and the directory of a sweep")
        }
    }

    func run() throws {
        guard LaunchEnvironment.current.isRoot else { return }
        try Job.prepare {
            for path in try runs.flatMap(Sweep.runs) {
                for line in try RunSummary(RunTables(path: path)).lines { Console.print(line) }
            }
            if let joined {
                for line in Sweep.lines(try Sweep(path: joined).join()) { Console.print(line) }
            }
        }
    }
}
