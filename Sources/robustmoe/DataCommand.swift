import ArgumentParser
import Collectives
import Configuration
import Files
import Runs

struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Fetches and checks data sets, and packs image files into one file.",
        subcommands: [Fetch.self, Verify.self, Pack.self])

    /// Where the images are, in short or as settings.
    struct Source: ParsableArguments {
        @Option(
            parsing: .singleValue, help: "A YAML file of settings; of several, each lies over those before it.",
            completion: .file(extensions: ["yaml", "yml"]))
        var config: [String] = []
        @Option(help: "The data set, short for data.dataset=.")
        var dataset: String?
        @Option(help: "The folder of its files or a pack, short for data.path=.", completion: .file())
        var path: String?

        func configuration(_ settings: [String]) throws -> RunConfiguration {
            let short = [dataset.map { "data.dataset=\($0)" }, path.map { "data.path=\($0)" }].compactMap { $0 }
            return try Job.configuration(
                config.map { ConfigurationLayer(file: $0) }
                    + (short + settings).map { ConfigurationLayer(override: $0) })
        }
    }

    struct Fetch: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Fetches a published data set, checks its SHA-256, and unpacks it to where training finds it.",
            discussion: """
                Transfers need curl, Tiny-ImageNet unzip too. What was cut goes on with the same command. Without a network,
                bring the published file to the folder by other means: the same command checks and unpacks it.
                """)

        @Argument(help: "cifar10, cifar100, fashion-mnist, mnist or tiny-imagenet.")
        var dataset: String
        @Option(help: "The folder that it comes to, which data.path is to be then.")
        var path: String
        @Option(help: "The address of a folder that holds the published files, instead of the official one.")
        var mirror: String?

        func run() throws {
            let layers = ["data.dataset=\(dataset)", "data.path=\(path)"].map { ConfigurationLayer(override: $0) }
            let configuration = try Job.configuration(layers)
            guard LaunchEnvironment.current.isRoot else { return }
            try DataCommand.tell(Job.prepare { try DataSession(configuration).fetch(mirror: mirror) })
        }
    }

    /// Ends with 3 where something is wrong with the images.
    private static func tell(_ failures: [String]) throws {
        guard !failures.isEmpty else { return }
        for failure in failures { Job.speak("error: \(failure)") }
        throw ExitCode(ExitStatus.data.rawValue)
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Reads every image of a data set and says what is there; ends with 3 if something is wrong.")

        @OptionGroup var source: Source
        @Option(help: "A PNG file to write: the first images of each class, for a look at what the labels say.")
        var sheet: String?
        @Flag(help: "Replace the sheet.")
        var force = false
        @Argument(help: "key=value settings.", completion: SettingCompletion.kind)
        var settings: [String] = []

        func run() throws {
            let configuration = try source.configuration(settings)
            // Under mpirun one rank does it.
            guard LaunchEnvironment.current.isRoot else { return }
            try DataCommand.tell(Job.prepare { try DataSession(configuration).verify(sheet: sheet, force: force) })
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
        @Argument(help: "The file to write.", completion: .file())
        var output: String
        @Argument(help: "key=value settings.", completion: SettingCompletion.kind)
        var settings: [String] = []

        func run() throws {
            let configuration = try source.configuration(settings)
            guard LaunchEnvironment.current.isRoot else { return }
            try Job.prepare { try DataSession(configuration).pack(to: output, force: force) }
        }
    }
}
