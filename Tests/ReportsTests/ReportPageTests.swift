import Files
import Foundation
import TestSupport
import Testing

@testable import Reports

@Suite("Report pages")
struct ReportPageTests {
    private static let head = "schema_version,run_id,"

    /// A trained run with names that would be markup, and an evaluation of it elsewhere.
    private func makeRun() throws -> ScratchFolder {
        let folder = try ScratchFolder()
        let metrics =
            "\(Self.head)epoch,step,split,inputs,loss,task_loss,balance_loss,accuracy,learning_rate,gradient_norm,"
            + "wall_seconds"
        let evaluation =
            "\(Self.head)checkpoint,dataset,split,samples,attack,norm,epsilon,step_size,steps,restarts,correct,accuracy,"
            + "accuracy_low,accuracy_high,flags"
        let files = [
            "run/metrics.csv": """
            \(metrics)
            1,r,1,5,train,<b>&amp;,2.5,2.25,0.25,0.25,0.1,1.5,2
            1,r,1,5,validation,clean,2,2,0,0.5,,,
            1,r,2,10,train,<b>&amp;,1.5,1.25,0.25,0.5,0.05,1.25,2
            1,r,2,10,validation,clean,1.75,1.75,0,0.625,,,

            """,
            "run/checkpoints/best": "step-00000005\n", "run/checkpoints/latest": "step-00000010\n",
            "run/config.yaml": "preset: null\ntraining:\n  epochs: 2\n  seed: 7\n  rates: [1, 2]\n",
            "elsewhere/evaluation.csv": """
            \(evaluation)
            2,r,step-00000010,cifar10,test,200,none,,,,,,120,0.6,0.53,0.67,
            2,r,step-00000010,cifar10,test,200,pgd-linf-4of255-10,linf,0.0156862745,0.00392156863,10,1,80,0.4,0.33,0.47,
            2,r,step-00000010,cifar10,test,200,pgd-linf-8of255-10,linf,0.0313725490,0.00784313725,10,1,40,0.2,0.15,0.26,silent-success=3
            2,r,step-00000010,cifar10,test,200,worst-case,,,,,,40,0.2,0.15,0.26,

            """,
            "elsewhere/command.txt": "robustmoe evaluate '<script>'\n",
            "elsewhere/events.log": """
            2026-11-30T21:16:51Z warning: pgd-linf-8of255-10: 3 images were wrong on the way (silent-success); keep the best

            """,
        ]
        for (name, text) in files { try folder.write(text, to: name) }
        return folder
    }

    private func page(_ folder: ScratchFolder, _ names: [String]) throws -> ReportPage {
        ReportPage(try ReportedRun.read(names.map { folder($0) }), in: folder("run"))
    }

    @Test("a run and its evaluation elsewhere become one report, with attack, radius, interval, count and warnings")
    func verdict() throws {
        let folder = try makeRun()
        let runs = try ReportedRun.read([folder("run"), folder("elsewhere")])
        #expect(runs.map(\.label) == ["run"])
        #expect(runs[0].settings["training.seed"] == "7" && runs[0].settings["preset"] == nil)
        let html = ReportPage(runs, in: folder("run")).html
        for text in [
            "<strong>60.0%</strong>", "<strong>20.0%</strong>", "95% interval 15.0% to 26.0%",
            "L∞ 8/255, 10 steps, step size 2/255; n = 200 of cifar10 test", "3 images were wrong on the way",
            "Worst case over all attacks", "epoch 2",
        ] { #expect(html.contains(text), "\(text)") }
    }

    @Test("text of files is escaped, and nothing is fetched")
    func escapes() throws {
        let html = try page(makeRun(), ["run", "elsewhere"]).html
        #expect(!html.contains("<b>") && html.contains("&lt;b&gt;&amp;amp;"))
        #expect(!html.contains("'<script>'") && html.contains("&#39;&lt;script&gt;&#39;"))
        #expect(!html.contains("src=\"") && !html.contains("href=\"http") && !html.contains("@import"))
        #expect(html.contains("default-src 'none'"))
    }

    @Test("curves mark checkpoints, a sweep of radii is a figure, and figures stand alone as SVG")
    func figures() throws {
        let figures = try page(makeRun(), ["run", "elsewhere"]).figures
        #expect(
            figures.map(\.name) == [
                "accuracy", "loss", "loss-parts", "learning-rate", "gradient-norm", "ladder", "sweep-radius", "time",
                "rate",
            ])
        let accuracy = try #require(figures.first).svg
        #expect(accuracy.contains("<title>best</title>") && accuracy.contains("<title>last</title>"))
        #expect(accuracy.contains("validation, clean, epoch 2: 62.5%"))
        for figure in figures {
            let parser = XMLShape(figure.svg)
            #expect(parser.isWellFormed, "\(figure.name)")
            #expect(figure.svg.contains("<style>"))
        }
    }

    @Test("the overfitting gap is between held-out images and, where there is a probe, that")
    func overfitting() throws {
        let folder = try SampleRuns.make()
        let page = ReportPage(try ReportedRun.read([folder("first")]), in: folder.path)
        let accuracy = try #require(page.figures.first).svg
        // At the last epoch 70% of the probe against 60% of held-out images; training's own row has 70% as well.
        #expect(accuracy.contains("train probe, pgd, epoch 4: 70.0%"))
        #expect(accuracy.contains("overfitting gap, attacked: 10.0% at epoch 4"))
    }

    @Test("files are linked from where the page lies")
    func links() throws {
        let folder = try makeRun()
        let html = try page(folder, ["run", "elsewhere"]).html
        #expect(html.contains("<a href=\"metrics.csv\">metrics.csv</a>"))
        #expect(html.contains("<a href=\"../elsewhere/evaluation.csv\">evaluation.csv</a>"))
        #expect(Provenance.link(from: "/a/b", to: "/a/c d/x:%.csv") == "../c%20d/x%3A%25.csv")
    }

    @Test("a page that somebody else wrote stays")
    func strangers() throws {
        let folder = try makeRun()
        try folder.write("my notes", to: "run/report.html")
        let html = try page(folder, ["run"]).html
        #expect(throws: RunDirectoryError.self) { try RunDirectory.writeReport(html, to: folder("run/report.html")) }
        try RunDirectory.writeReport(html, to: folder("new.html"))
        try RunDirectory.writeReport(html, to: folder("new.html"))
    }

    @Test("runs of one name are told apart by what is before it, those of a sweep by its values")
    func labels() throws {
        let folder = try ScratchFolder()
        for name in ["a/run", "b/run", "s/x=1", "s/x=2"] {
            try folder.write("\(Self.head)counted,multiply_adds\n1,\(name),path,7\n", to: "\(name)/cost.csv")
        }
        try folder.write(
            #"{"columns":["x","y"],"runs":[{"run":"x=1","values":["1","9"],"status":"done"},"#
                + #"{"run":"x=2","values":["2","9"],"status":"done"}]}"#, to: "s/sweep.json")
        let runs = try ReportedRun.read([folder("a/run"), folder("b/run"), folder("s")])
        #expect(runs.map(\.label) == ["a/run", "b/run", "x=1", "x=2"])
    }
}

/// Whether a text is well-formed as XML: tags are closed in their order, and no angle bracket or ampersand stands alone.
struct XMLShape {
    let isWellFormed: Bool

    init(_ text: String) {
        var open: [Substring] = []
        var rest = text[...]
        while let start = rest.firstIndex(of: "<") {
            guard let end = rest[start...].firstIndex(of: ">"), !rest[..<start].contains(">") else {
                isWellFormed = false
                return
            }
            let tag = rest[rest.index(after: start)..<end]
            if tag.hasPrefix("/") {
                guard open.popLast() == tag.dropFirst() else {
                    isWellFormed = false
                    return
                }
            } else if !tag.hasSuffix("/"), !tag.hasPrefix("?"), !tag.hasPrefix("!") {
                open.append(tag.prefix { !$0.isWhitespace })
            }
            rest = rest[rest.index(after: end)...]
        }
        isWellFormed = open.isEmpty
    }
}
