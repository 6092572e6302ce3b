import Foundation
import Testing

@testable import Files

extension CommandSuite {
    @Suite("Reports", .serialized)
    struct ReportTests {
        @Test("a run and its evaluation become a page, a table and a figure, with what they were told to be")
        func forms() throws {
            let folder = try Scratch.folder()
            let (run, evaluation) = ("\(folder)/run", "\(folder)/evaluation")
            let trained = try robustmoe(TrainedRun.arguments(run, ["training.epochs=1"]))
            #expect(trained.status == 0, "\(trained.errors)")
            let evaluated = try robustmoe([
                "evaluate", "--checkpoint", run, "--output", evaluation, "evaluation.attacks.0.steps=2",
            ])
            #expect(evaluated.status == 0, "\(evaluated.errors)")

            let alone = try robustmoe(["report", run])
            #expect(alone.status == 0 && alone.output.contains("accuracy on 40 images of synthetic test"))
            #expect(alone.output.contains("page \(run)/report.html"))
            #expect(try Scratch.text("\(run)/report.html").contains("<h1>run</h1>"))

            let several = try robustmoe(["report", run, evaluation])
            #expect(several.status == 0 && several.output.contains("no page: for several directories"))
            let page = "\(folder)/both.html"
            #expect(try robustmoe(["report", run, evaluation, "--output", page]).status == 0)
            let html = try Scratch.text(page)
            #expect(html.contains("href=\"evaluation/per_sample.csv\"") && html.contains("href=\"run/metrics.csv\""))
            #expect(html.contains("data:image/png;base64,") && html.contains("experts before"))

            let table = try robustmoe(["report", run, evaluation, "--table", "markdown"])
            #expect(table.status == 0 && table.output.hasPrefix("| network | method | seeds | clean | pgd-"))
            #expect(table.output.contains("| resnet18 w4 | pgd, 3 conv experts | 1 |"))
            #expect(try robustmoe(["report", run, "--figure", "ladder"]).status == 0)
            #expect(try Scratch.text("\(run)/ladder.svg").contains("<svg"))
            let unknown = try robustmoe(["report", run, "--figure", "nothing"])
            #expect(unknown.status == 2 && unknown.errors.contains("expected one of accuracy, loss"))
            try "mine".write(toFile: "\(run)/loss.svg", atomically: true, encoding: .utf8)
            let foreign = try robustmoe(["report", run, "--figure", "loss"])
            #expect(foreign.status == 2 && foreign.errors.contains("nothing was removed"))
        }

        @Test("what an evaluation keeps to be looked at are right images, with the choices of their rows")
        func examples() throws {
            let folder = try Scratch.folder()
            let outcome = try robustmoe([
                "evaluate", "--checkpoint", try TrainedRun.onOneRank.get().path, "--output", "\(folder)/out",
                "evaluation.attacks.0.steps=2", "evaluation.chunk=40",
            ])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let run = TrainedRun(path: "\(folder)/out")
            let examples = try run.rows("examples.csv")
            let perSample = try run.rows("per_sample.csv")
            let samples = Dictionary(uniqueKeysWithValues: perSample.map { ($0["index"] ?? "", $0) })
            #expect(!examples.isEmpty)
            for example in examples {
                let sample = try #require(samples[example["index"] ?? ""])
                let attack = try #require(example["inputs"])
                #expect(sample["clean_prediction"] == sample["label"] && sample["label"] == example["label"])
                #expect(sample["\(attack)_prediction"] == example["prediction"])
                #expect(sample["\(attack)_distance"] == example["distance"])
                let isRight = example["label"] == example["prediction"]
                let changes = example["clean_experts"] != example["experts"]
                let expected = changes ? (isRight ? "router_only" : "both") : isRight ? "neither" : "prediction_only"
                #expect(example["case"] == expected)
            }
            let kinds = Dictionary(grouping: examples) { $0["case"] ?? "" }.mapValues(\.count)
            #expect(kinds.values.allSatisfy { $0 <= 2 })
            let images = try ExampleImages(path: "\(folder)/out/\(ExampleImages.fileName)")
            #expect(images.clean.count == examples.count && images.shape == [32, 32, 3])
            for (number, example) in examples.enumerated() {
                let distance = zip(images.clean[number], images.attacked[number]).map { abs($0 - $1) }.max() ?? 0
                #expect(abs(Double(distance) - (Double(example["distance"] ?? "") ?? -1)) < 1e-6)
            }
        }
    }
}
