import ArgumentParser
import Collectives
import Configuration
import Files
import Runs

struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Checks data sets, and packs image files into one file.",
        subcommands: [Verify.self, Pack.self])

    /// Where the images are, in short or as settings.
    struct Source: ParsableArguments {
        @Option(parsing: .singleValue, help: "A YAML file of settings; of several, each lies over those before it.")
        var config: [String] = []
        @Option(help: "The data set, short for data.dataset=.")
        var dataset: String?
        @Option(help: "The folder of its files or a pack, short for data.path=.")
        var path: String?

        func configuration(_ settings: [String]) throws -> RunConfiguration {
            let short = [dataset.map { "data.dataset=\($0)" }, path.map { "data.path=\($0)" }].compactMap { $0 }
            return try Job.configuration(
                config.map { ConfigurationLayer(file: $0) }
                    + (short + settings).map { ConfigurationLayer(override: $0) })
        }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Reads every image of a data set and says what is there; ends with 3 if something is wrong.")

        @OptionGroup var source: Source
        @Argument(help: "key=value settings.")
        var settings: [String] = []

        func run() throws {
            let configuration = try source.configuration(settings)
            // Under mpirun one rank does it.
            guard LaunchEnvironment.current.isRoot else { return }
            let failures = try Job.prepare { try DataSession(configuration).verify() }
            guard !failures.isEmpty else { return }
            for failure in failures { Job.speak("error: \(failure)") }
            throw ExitCode(ExitStatus.data.rawValue)
        }
    }

    struct Pack: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Decodes and resizes the images of a data set into one file that is mapped into memory.",
            discussion: """
                For data.dataset folder and tiny-imagenet. data.path may then be the pack. data.resize is the side of the
                images in it, data.resize_mode how pictures become squares; data.crop is chosen when the pack is used.
                """)

        @OptionGroup var source: Source
        @Flag(help: "Replace the output.")
        var force = false
        @Argument(help: "The file to write.")
        var output: String
        @Argument(help: "key=value settings.")
        var settings: [String] = []

        func run() throws {
            let configuration = try source.configuration(settings)
            guard LaunchEnvironment.current.isRoot else { return }
            try Job.prepare { try DataSession(configuration).pack(to: output, force: force) }
        }
    }
}
