import TestSupport
import Testing

@testable import Reports

@Suite("Published values beside runs, and curves of sweeps")
struct PublishedTests {
    private static let head =
        "schema_version,run_id,checkpoint,dataset,split,samples,attack,norm,epsilon,steps,correct,accuracy,"
        + "accuracy_low,accuracy_high\n"
    private static let published = """
        place,data,network,method,attack,robust_accuracy,standard_accuracy,gflops,model.ratio,moe.experts
        table 1,cifar10,resnet18,dense,pgd-50,50.13,82.99,0.54,1,
        table 1,cifar10,resnet18,advmoe,pgd-50,51.83,80.15,0.15,0.5,2
        table 2,cifar10,resnet18,advmoe,autoattack,45.13,,,0.5,2
        table 1,cifar100,resnet18,advmoe,pgd-50,28.05,57.73,0.15,0.5,2

        """

    private let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
        try folder.write(Self.published, to: "published.csv")
    }

    /// A run of AdvMoE, or a dense one where there are no experts, right on so many of 100 images under PGD-50.
    private func add(_ name: String, experts: Int?, ratio: String, seed: Int = 1, right: Int) throws {
        try folder.write(
            """
            model: {architecture: resnet18, ratio: \(ratio), masks: null}
            moe: {kind: \(experts == nil ? "none" : "channel"), experts: \(experts ?? 4)}
            training: {method: \(experts == nil ? "trades" : "advmoe"), seed: \(seed)}
            attack: {epsilon: 8/255}
            data: {dataset: cifar10}

            """, to: "\(name)/config.yaml")
        let rows = [
            "none,,,,80,0.8,0.7,0.9", "pgd-50-4of255,linf,0.0156862745,50,70,0.7,0.6,0.8",
            "pgd-50,linf,0.0313725490,50,\(right),0.\(right),0.2,0.4",
        ]
        try folder.write(
            Self.head + rows.map { "2,\(name),s,cifar10,test,100,\($0)\n" }.joined(), to: "\(name)/evaluation.csv")
        try folder.write(
            "schema_version,run_id,counted,multiply_adds\n2,\(name),path,151000000\n2,\(name),all-experts,298000000\n",
            to: "\(name)/cost.csv")
    }

    private func read(_ names: String...) throws -> [ReportedRun] {
        try ReportedRun.read(names.map { folder($0) })
    }

    @Test("a table is made again with what was published beside it, in its order, of those rows that were run")
    func table() throws {
        try add("b", experts: 2, ratio: "0.5", seed: 1, right: 50)
        try add("c", experts: 2, ratio: "0.5", seed: 2, right: 54)
        try add("other", experts: 4, ratio: "0.5", right: 20)
        try add("a", experts: nil, ratio: "1.0", right: 48)
        let values = try PublishedValues(path: folder("published.csv"))
        let table = PublishedTable(try read("b", "c", "other", "a"), values)
        let leading = "place | data | network | method | model.ratio | moe.experts | attack | seeds"
        #expect(
            TableFormat.markdown.text(table) == """
                | \(leading) | robust % (published) | standard % (published) | GFLOPs (published) |
                | --- | --- | --- | --- | --- | --- | --- | --- | ---: | ---: | ---: |
                | table 1 | cifar10 | resnet18 | dense | 1 |  | pgd-50 | 1 | 48.00 (50.13) | 80.00 (82.99) | 0.151 (0.54) |
                | table 1 | cifar10 | resnet18 | advmoe | 0.5 | 2 | pgd-50 | 2 | 52.00 ± 2.83 (51.83) | 80.00 ± 0.00 (80.15) | \
                0.151 (0.15) |

                """)
        let csv = TableFormat.csv.text(table).split(separator: "\n")
        #expect(csv[2].hasSuffix(",pgd-50,2,0.52,0.0282842712,0.5183,0.8,0,0.8015,0.151,0.15"))
        #expect(TableFormat.latex.text(table).contains("$52.00 \\pm 2.83 (51.83)$"))
        #expect(PublishedTable(try read("other"), values).isEmpty)
    }

    @Test("bars are called by what tells them apart, with published values and the spread of one seed or more")
    func bars() throws {
        try add("b", experts: 2, ratio: "0.5", seed: 1, right: 50)
        try add("c", experts: 2, ratio: "0.5", seed: 2, right: 54)
        try add("a", experts: nil, ratio: "1.0", right: 48)
        let values = try PublishedValues(path: folder("published.csv"))
        let runs = try read("a", "b", "c")
        func rows(_ runs: [ReportedRun], _ published: PublishedValues?) throws -> [[String]] {
            let parts = try #require(Comparison(runs, published).section).parts
            let figures = parts.lazy.compactMap { part in if case .figures(let figures) = part { figures } else { nil }
            }
            let figure = try #require(figures.first?.first { $0.title == "Accuracy, pgd-50" })
            return figure.values.rows.map { $0.map(\.text) }
        }
        #expect(
            try rows(runs, values) == [
                ["dense", "48.0%", "20.0%", "40.0%", "50.1%", "resnet18, trades, 1 run"],
                ["advmoe", "52.0%", "49.2%", "54.8%", "51.8%", "resnet18 r0.5, advmoe, 2 channel experts, 2 runs"],
            ])
        try add("d", experts: 4, ratio: "0.5", right: 60)
        #expect(
            try rows(read("b", "d"), nil).map { $0[0] } == ["2 channel experts", "4 channel experts"])
    }

    @Test("the ratio of a pruned network is the share of filters that the run of its scores kept")
    func pruned() throws {
        try folder.write("training: {parameters: scores, scores: {filter_share: 0.3}}\n", to: "scores/config.yaml")
        try folder.write(
            "model: {ratio: 1, masks: \(folder("scores"))}\nmoe: {kind: none}\n", to: "sparse/config.yaml")
        try folder.write("model: {ratio: 1, masks: elsewhere}\nmoe: {kind: none}\n", to: "moved/config.yaml")
        let sparse = try RunSettings(path: folder("sparse/config.yaml"))
        #expect(sparse["model.ratio"] == "0.3" && PublishedValues.method(sparse) == "sparse")
        #expect(try RunSettings(path: folder("moved/config.yaml"))["model.ratio"] == "1")
    }

    @Test("a file that lacks a column is told")
    func columns() throws {
        try folder.write("place,attack\ntable 1,pgd\n", to: "short.csv")
        let error = #expect(throws: ReportError.self) { _ = try PublishedValues(path: folder("short.csv")) }
        #expect(try #require(error).description.contains("robust_accuracy"))
    }

    @Test(
        "runs that vary numbers make curves over each, means over seeds, with level lines of what has no such setting")
    func curves() throws {
        for (experts, ratio, right) in [(2, "0.5", 40), (4, "0.5", 44), (2, "0.8", 50), (4, "0.8", 56)] {
            try add("n\(experts)-\(ratio)", experts: experts, ratio: ratio, right: right)
        }
        try add("again", experts: 4, ratio: "0.8", seed: 2, right: 58)
        try add("dense", experts: nil, ratio: "1.0", right: 48)
        let runs = try read("n2-0.5", "n4-0.5", "n2-0.8", "n4-0.8", "again", "dense")
        let figures = SweepCurves(runs, try PublishedValues(path: folder("published.csv"))).figures
        #expect(
            Set(figures.map(\.name)) == [
                "over-moe-experts", "over-moe-experts-clean", "over-model-ratio", "over-model-ratio-clean",
                "over-radius",
            ])
        let overExperts = try #require(figures.first { $0.name == "over-moe-experts" })
        let values = overExperts.values
        #expect(
            values.columns.map(\.title) == [
                "moe.experts", "advmoe, ratio 0.5", "published, advmoe, ratio 0.5", "advmoe, ratio 0.8",
            ])
        #expect(
            values.rows.map { $0.map(\.text) } == [["2", "40.0%", "51.8%", "50.0%"], ["4", "44.0%", "–", "57.0%"]])
        // The one dense network needs no words but its name.
        #expect(overExperts.svg.contains(">dense<"))
        let overRadius = try #require(figures.first { $0.name == "over-radius" }?.values)
        #expect(overRadius.rows.map { $0[0].text } == ["0", "4", "8"])
    }
}
