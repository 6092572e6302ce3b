import ArgumentParser
import Collectives
import Files
import Reports
import Runs

struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what runs came to: accuracies with intervals, and the use of experts, as text and as a page.",
        discussion: """
            Directories of evaluations belong to the run that their weights are of; name them with it to see all on one
            page. The page is one HTML file that needs no network: report.html in the run, or in a sweep's directory.

            --joined is for the output of launch/sweep: runs.csv has a row a run, and other tables have the runs' rows
            under the sweep's columns.
            """)

    @Argument(help: "Run directories; a sweep's stands for those of its runs.", completion: .directory)
    var runs: [String] = []
    @Option(help: "Where the page goes, or the figure; needed for several directories.")
    var output: String?
    @Option(
        help: """
            Print accuracies as a table instead, the mean over seeds with the sample deviation in every cell: \
            \(TableFormat.allCases.map(\.rawValue).joined(separator: ", ")).
            """)
    var table: TableFormat?
    @Option(
        help:
            "Write one figure of the page as NAME.svg into its run instead; a name that is none tells which there are.")
    var figure: String?
    @Option(
        help: """
            A CSV file of published values, such as launch/experiments/advmoe/published.csv: --table prints its rows that \
            runs were made for, with theirs beside, and figures over a setting show them.
            """)
    var published: String?
    @Option(help: "The directory of a sweep: put the tables of its runs below each other there, and show accuracies.")
    var joined: String?

    func validate() throws {
        if runs.isEmpty == (joined == nil) {
            throw ValidationError("expected run directories, or --joined and the directory of a sweep")
        }
        if runs.isEmpty, output != nil || table != nil || figure != nil || published != nil {
            throw ValidationError("--output, --table, --figure and --published are for reports on run directories")
        }
        if table != nil, output != nil || figure != nil {
            throw ValidationError("--table prints; expected it without --output and --figure")
        }
    }

    func run() throws {
        guard LaunchEnvironment.current.isRoot else { return }
        try Job.prepare {
            if let joined {
                for line in Sweep.lines(try Sweep(path: joined).join()) { Console.print(line) }
            } else if let table {
                Console.print(String(try text(table).dropLast()))
            } else if let figure {
                try write(figure)
            } else {
                let lines = try runs.flatMap(Sweep.runs).flatMap { try RunSummary(RunTables(path: $0)).lines }
                // First of all, since whoever reads the text may stop reading (a pipe to head).
                let page = try writePage()
                for line in lines + [page] { Console.print(line) }
            }
        }
    }

    private var publishedValues: PublishedValues? {
        get throws { try published.map { try PublishedValues(path: $0) } }
    }

    /// The table of accuracies, or the published one made again.
    private func text(_ format: TableFormat) throws -> String {
        let read = try ReportedRun.read(runs)
        guard let values = try publishedValues, let published else { return format.text(PaperTable(read)) }
        let table = PublishedTable(read, values)
        guard !table.isEmpty else {
            throw RunError.unusable(
                "--published \(published): expected a run of one of its rows, evaluated under its attack, found none among "
                    + "\(read.count)")
        }
        return format.text(table)
    }

    /// Writes the page, where it is known where to; returns what to say of it.
    private func writePage() throws -> String {
        guard let place = output ?? (runs.count == 1 ? FileSystem.join(runs[0], RunDirectory.reportName) : nil) else {
            return "no page: for several directories, say where it goes with --output FILE.html"
        }
        let page = ReportPage(
            try ReportedRun.read(runs), in: FileSystem.parent(of: place), published: try publishedValues)
        do {
            try RunDirectory.writeReport(page.html, to: place)
            return "page \(place)"
        } catch {
            // Nobody asked for the page by name: the text stands without it, of a run that others own for instance.
            guard case .system(let failure) = error, output == nil else { throw error }
            return "no page: \(failure); --output FILE.html puts it elsewhere"
        }
    }

    /// Writes a figure: into the directory of each run that has it, or where it is said for one.
    private func write(_ name: String) throws {
        let figures = ReportPage(try ReportedRun.read(runs), in: ".", published: try publishedValues).figures
        let wanted = figures.filter { $0.name == name }
        guard !wanted.isEmpty else {
            var names: [String] = []
            for figure in figures where !names.contains(figure.name) { names.append(figure.name) }
            throw RunError.unusable("--figure \(name): expected one of \(names.joined(separator: ", "))".printableLine)
        }
        guard output == nil || wanted.count == 1 else {
            throw RunError.unusable(
                "--figure \(name): \(wanted.count) runs have one; expected no --output, so that each gets its own")
        }
        for figure in wanted {
            guard let place = output ?? figure.directory.map({ FileSystem.join($0, "\(name).svg") }) else {
                throw RunError.unusable("--figure \(name): it is of several runs; expected --output FILE.svg")
            }
            try RunDirectory.writeReport(figure.svg, to: place)
            Console.print("figure \(place)")
        }
    }
}

extension TableFormat: ExpressibleByArgument {}
