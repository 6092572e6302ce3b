import ArgumentParser
import Collectives
import Runs

struct Plan: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Chooses ranks and threads for each host, and says how to start them.")

    @OptionGroup var launch: LaunchArguments
    @Flag(help: "Print mpirun and its options, a word a line, and nothing else.")
    var mpirun = false

    func run() throws {
        guard LaunchEnvironment.current.isRoot else { return }
        let (allocation, layout) = try Job.prepare { try launch.options.layout() }
        if mpirun {
            for word in layout.launcherWords + ["distributed.threads=\(layout.threads)"] { Console.print(word) }
            return
        }
        Console.print("hosts of \(allocation.source)")
        for line in layout.summary { Console.print(line) }
        Console.print(layout.launcherWords.joined(separator: " "))
    }
}
