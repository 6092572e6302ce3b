import TestSupport
import Testing

@testable import Reports

@Suite("Tables of papers, and tests of pairs")
struct PaperTableTests {
    /// Two seeds of one method, and one run of another, that only the first seeds were attacked with PGD.
    private func makeRuns() throws -> (folder: ScratchFolder, runs: [ReportedRun]) {
        let folder = try ScratchFolder()
        let head =
            "schema_version,run_id,checkpoint,dataset,split,samples,attack,norm,epsilon,steps,correct,accuracy,"
            + "accuracy_low,accuracy_high\n"
        func add(_ name: String, method: String, seed: Int, _ rows: [String]) throws {
            try folder.write(
                "model:\n  architecture: resnet18\n  width: 8\ntraining:\n  method: \(method)\n  seed: \(seed)\n",
                to: "\(name)/config.yaml")
            let lines = rows.map { "2,\(name),s,cifar10,test,100,\($0)\n" }
            try folder.write(head + lines.joined(), to: "\(name)/evaluation.csv")
        }
        try add("a", method: "pgd", seed: 1, ["none,,,,50,0.5,0.4,0.6", "pgd,linf,0.0313725490,10,30,0.3,0.2,0.4"])
        try add("b", method: "pgd", seed: 2, ["none,,,,54,0.54,0.4,0.6", "pgd,linf,0.0313725490,10,36,0.36,0.2,0.4"])
        try add("c", method: "a&b|c", seed: 1, ["none,,,,60,0.6,0.5,0.7"])
        return (folder, try ReportedRun.read(["a", "b", "c"].map { folder($0) }))
    }

    @Test("Markdown has a row a method, with mean and sample deviation over its seeds")
    func markdown() throws {
        let (_, runs) = try makeRuns()
        #expect(
            TableFormat.markdown.text(PaperTable(runs)) == """
                | network | method | seeds | clean | pgd |
                | --- | --- | --- | ---: | ---: |
                | resnet18 w8 | pgd | 2 | 52.00 ± 2.83 | 33.00 ± 4.24 |
                | resnet18 w8 | a&b\\|c | 1 | 60.00 | – |

                """)
    }

    @Test("CSV has mean, deviation and count apart, LaTeX is escaped")
    func otherFormats() throws {
        let (_, runs) = try makeRuns()
        let csv = TableFormat.csv.text(PaperTable(runs)).split(separator: "\n")
        #expect(csv[0] == "network,method,seeds,clean,clean deviation,clean runs,pgd,pgd deviation,pgd runs")
        #expect(csv[1] == "resnet18 w8,pgd,2,0.52,0.0282842712,2,0.33,0.0424264069,2")
        #expect(csv[2] == "resnet18 w8,a&b|c,1,0.6,,1,,,0")
        let latex = TableFormat.latex.text(PaperTable(runs))
        #expect(latex.contains("resnet18 w8 & pgd & 2 & $52.00 \\pm 2.83$ & $33.00 \\pm 4.24$ \\\\\n"))
        #expect(latex.contains("a\\&b|c & 1 & $60.00$ & -- \\\\\n"))
    }

    @Test("McNemar's test is exact, on the same images alone")
    func mcNemar() {
        #expect(McNemar(firstAlone: 0, secondAlone: 0).pValue == 1)
        #expect(abs(McNemar(firstAlone: 1, secondAlone: 9).pValue - 22.0 / 1024) < 1e-12)
        #expect(McNemar(firstAlone: 5, secondAlone: 5).pValue == 1)
        func images(_ predictions: [Int], label: Int = 1) -> RightImages {
            RightImages(
                predictions.enumerated().map { index, prediction in
                    var row = TextRow()
                    row["index"] = "\(index)"
                    row["label"] = "\(label)"
                    row["clean_prediction"] = "\(prediction)"
                    return row
                })
        }
        let first = images([1, 1, 0, 0, 1])
        #expect(
            RightImages.compare(first, images([1, 0, 1, 0, 0]), inputs: "clean")
                == McNemar(firstAlone: 2, secondAlone: 1))
        #expect(RightImages.compare(first, images([1, 1]), inputs: "clean") == nil)
        #expect(RightImages.compare(first, images([1, 0, 1, 0, 0], label: 2), inputs: "clean") == nil)
        #expect(RightImages.compare(first, first, inputs: "pgd") == nil)
    }
}
