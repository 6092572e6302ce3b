import Files
import TestSupport
import Testing

@testable import Reports

@Suite("Damaged tables and sweeps")
struct TableFuzzTests {
    private let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    @Test("tables changed anywhere are shown or refused")
    func tables() throws {
        let good = Array(
            #"""
            schema_version,run_id,epoch,step,split,inputs,layer,expert,count,fraction,samples,dataset,attack,accuracy
            1,r,1,5,test,"pgd, ""strong""",layer4.0,0,3,0.75,4,cifar10,none,0.5
            1,r,1,5,test,clean,layer4.0,1,1,0.25,4,cifar10,pgd,0.25

            """#.utf8)
        var mutation = Mutation(seed: 1)
        for _ in 0..<Mutation.inputs {
            for name in ["evaluation.csv", "experts.csv", "metrics.csv"] {
                try scratch.write(mutation.mutate(good), to: name)
            }
            do {
                _ = try RunSummary(RunTables(path: scratch.path)).lines
            } catch { #expect(error is ReportError) }
        }
    }

    @Test("pages of runs whose tables were changed anywhere are made or refused")
    func pages() throws {
        let folder = try SampleRuns.make()
        let places = ["first", "first/evaluate", "first/experts"]
        let files = try places.flatMap { place in
            try FileSystem.entries(of: folder(place)).filter { $0.hasSuffix(".csv") || $0.hasSuffix(".yaml") }
                .map { "\(place)/\($0)" }
        }
        let good = try files.map { Array(try folder.text($0).utf8) }
        var mutation = Mutation(seed: 3)
        for _ in 0..<Mutation.inputs / 20 {
            for (file, bytes) in zip(files, good) { try folder.write(mutation.mutate(bytes), to: file) }
            do {
                let runs = try ReportedRun.read([folder("first"), folder("second")])
                #expect(ReportPage(runs, in: folder.path).html.hasSuffix("</html>\n"))
                _ = TableFormat.latex.text(PaperTable(runs))
            } catch { #expect(error is ReportError, "\(error)") }
        }
    }

    @Test("the list of a sweep's runs changed anywhere is read or refused, and names nothing outside")
    func sweeps() throws {
        let good = Array(
            #"{"columns":["kind","steps"],"runs":[{"run":"kind=a","values":["a","9"],"status":"done"}]}"#.utf8)
        var mutation = Mutation(seed: 2)
        for _ in 0..<Mutation.inputs {
            try scratch.write(mutation.mutate(good), to: "sweep.json")
            do {
                let sweep = try Sweep(path: scratch.path)
                #expect(sweep.runs.allSatisfy { FileSystem.isPlainName($0.run) })
                _ = Sweep.lines(try sweep.join())
            } catch { #expect(error is ReportError) }
        }
    }

    @Test("a run that lies outside of its sweep is refused")
    func outside() throws {
        for name in ["../other", "/etc", "a/b", "", "a\\u001b[2J"] {
            try scratch.write(#"{"columns":[],"runs":[{"run":"\#(name)","values":[],"status":""}]}"#, to: "sweep.json")
            #expect { _ = try Sweep(path: scratch.path) } throws: { "\($0)".contains("expected plain names of runs") }
        }
    }
}
