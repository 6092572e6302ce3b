import ArgumentParser
import Runs

extension RankLayout.Unit: ExpressibleByArgument {}

/// What a person says about where a job runs.
struct LaunchArguments: ParsableArguments {
    @Option(
        help: """
            The hosts, in Open MPI's dialect (host slots=4) or MPICH's (host:4), slots being ranks; by default those of \
            Slurm, PBS or LSF, or this machine.
            """, completion: .file())
    var hostfile: String?
    @Option(
        help: """
            What a rank gets to itself: core, domain (a NUMA domain), host, or slot (as many ranks as the hostfile or the \
            scheduler says; the default where one does, else domain).
            """)
    var ranksPer: RankLayout.Unit?
    @Option(help: "The ranks of the whole job (all that fit by default).")
    var ranks: Int?
    @Option(help: "The threads of a rank (its cores by default).")
    var threads: Int?

    func validate() throws {
        for (name, value) in [("--ranks", ranks), ("--threads", threads)] {
            if let value, value < 1 { throw ValidationError("\(name) is \(value), expected at least 1") }
        }
    }

    var options: LaunchOptions {
        var options = LaunchOptions()
        options.hostfile = hostfile
        options.unit = ranksPer
        options.ranks = ranks
        options.threads = threads
        return options
    }
}
