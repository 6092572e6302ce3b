import ArgumentParser
import Files
import Runs

@main
struct RobustMoE: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "robustmoe",
        abstract: "Trains mixture-of-experts CNNs that resist adversarial attacks, data-parallel over MPI.",
        discussion: """
            robustmoe help KEY tells of a key of the configuration, such as moe.experts, or of a section, such as moe; help \
            data. of the section data.
            """,
        version: Version.details,
        subcommands: [
            Train.self, Evaluate.self, Experts.self, Convert.self, Report.self, Bench.self, Plan.self, Doctor.self,
            DataCommand.self,
        ])

    static func main() {
        // Training and evaluations have something to save; all else a signal may end.
        let saves = ["train", "evaluate", "experts"].contains(CommandLine.arguments.dropFirst().first)
        do {
            try Job.prepare { try ProcessorKernels.requireInstructions() }
            if saves { StopRequest.hold() }
            ProcessorKernels.choose()
            if saves { StopRequest.install() }
            if CommandLine.arguments.dropFirst().first == "help", try KeyHelp.answer(CommandLine.arguments.dropFirst(2))
            {
                return
            }
            try ArgumentChecks.check(CommandLine.arguments.dropFirst())
            var command = try parseAsRoot()
            Console.begin((command as? any Speaking)?.speech.level ?? .info)
            try command.run()
        } catch let code as ExitCode {
            exit(withError: code)
        } catch {
            // Help and version are errors to the parser, and not failures; usage errors end with 2, as all tools here do.
            let status = exitCode(for: error)
            let message = fullMessage(for: error)
            Job.speak(message.hasPrefix("#!/bin/bash") ? message.asBashCompletion : message, isError: !status.isSuccess)
            exit(withError: ExitCode(status.isSuccess ? 0 : ExitStatus.usage.rawValue))
        }
    }
}
