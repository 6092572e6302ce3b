import ArgumentParser
import Collectives
import Configuration
import Foundation
import Runs

struct Train: ParsableCommand, Speaking {
    static let configuration = CommandConfiguration(
        abstract: "Trains a network; run it under mpirun to use several ranks.",
        usage: """
            robustmoe train [--config FILE ...] [--output DIR] [--resume auto|PATH]
            [--force] [--print-config] [--quiet] [--verbose] [key=value ...]
            """,
        discussion: """
            Settings are dotted keys of the configuration, such as moe.experts=8 attack.epsilon=8/255; robustmoe help KEY says \
            more of one.
            """)

    @Option(
        parsing: .singleValue, help: "A YAML file of settings; of several, each lies over those before it.",
        completion: .file(extensions: ["yaml", "yml"]))
    var config: [String] = []
    @Option(help: "The run directory (results/<output.name> by default).", completion: .directory)
    var output: String?
    @Option(
        help: "Go on from a checkpoint: 'auto' for the newest whole one of the run directory, or a path.",
        completion: .directory)
    var resume: String?
    @Flag(help: "Replace the run that the directory holds.")
    var force = false
    @Flag(help: "Print the configuration, each value with where it came from, and do nothing else.")
    var printConfig = false
    @OptionGroup var speech: SpeechOptions
    @Argument(
        help: ArgumentHelp(
            "key=value settings. Their keys, with defaults, by section:", discussion: KeyHelp.allKeys(columns: 71)),
        completion: SettingCompletion.kind)
    var settings: [String] = []

    func validate() throws {
        if force && resume != nil { throw ValidationError("--force and --resume exclude each other") }
    }

    func run() throws {
        let session = TrainingSession(
            configFiles: config, output: output, resume: resume, force: force, settings: settings)
        let prepared = try Job.prepare { try session.prepare() }
        if printConfig {
            if LaunchEnvironment.current.isRoot { prepared.printConfiguration() }
            return
        }
        try Job.run(timeoutSeconds: prepared.configuration.distributed.timeoutSeconds) { communicator in
            try session.run(prepared, communicator)
        }
    }
}
