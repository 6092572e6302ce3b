import ArgumentParser
import Collectives
import Runs

struct Plan: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks a configuration as train would, and says what the run needs and how long it takes.",
        discussion: """
            Prints ranks and threads for each host, steps, memory, bytes of each exchange, and times to 1,024 ranks, from a
            step's time and a link that it measures in less than a minute: on this machine as a plain process, the link too
            under mpirun. What hosts of another kind measured with bench rates --measured FILE, plan --measured FILE reads.
            """)

    @Option(
        parsing: .singleValue, help: "A YAML file of settings; of several, each lies over those before it.",
        completion: .file(extensions: ["yaml", "yml"]))
    var config: [String] = []
    @OptionGroup var launch: LaunchArguments
    @Option(help: "Rates that bench rates has written; measured here by default.", completion: .file())
    var measured: String?
    @Option(help: "The link between hosts, in Gbit/s, in place of the measured one.")
    var link: Double?
    @Flag(help: "Print the plan as JSON.")
    var json = false
    @Flag(help: "Print mpirun, its options, the setting of threads and the hosts, a word a line, and nothing else.")
    var mpirun = false
    @Argument(help: "key=value settings.", completion: SettingCompletion.kind)
    var settings: [String] = []

    func validate() throws {
        if let link, !(link > 0 && link.isFinite) {
            throw ValidationError("--link is \(link), expected above 0 Gbit/s")
        }
    }

    func run() throws {
        if mpirun {
            guard LaunchEnvironment.current.isRoot else { return }
            let layout = try Job.prepare { try launch.options.layout().layout }
            let setting = "distributed.threads=\(layout.threads)"
            for word in layout.launcherWords + [setting, layout.hostWord] { Console.print(word) }
            return
        }
        let session = try Job.prepare {
            try PlanSession(
                configFiles: config, settings: settings, launch: launch.options, measured: measured, gigabits: link,
                asJSON: json)
        }
        try Job.run(timeoutSeconds: session.configuration.distributed.timeoutSeconds) { try session.run($0) }
    }
}
