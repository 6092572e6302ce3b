import ArgumentParser
import Collectives
import Files
import Reports
import Runs

struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what runs came to: accuracies with intervals, and the use of experts.")

    @Argument(help: "Run directories.")
    var runs: [String]

    func run() throws {
        guard LaunchEnvironment.current.isRoot else { return }
        do {
            for path in runs {
                for line in RunSummary(try RunTables(path: path)).lines { Console.print(line) }
            }
        } catch {
            Job.speak("error: \(error)")
            throw ExitCode(ExitStatus.data.rawValue)
        }
    }
}
