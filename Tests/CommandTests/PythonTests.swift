import Foundation
import Testing

/// A Python that has what README's snippet imports, if there is one.
private enum PyTorchPython {
    static let path = ProcessInfo.processInfo.environment["ROBUSTMOE_PYTHON"] ?? CommandJob.path(of: "python3")
    static let hasPackages: Bool = {
        guard let path else { return false }
        let names = "import pandas, safetensors, torch, torchvision"
        return (try? CommandJob(["-c", names], program: path))?.finish(within: 120).status == 0
    }()
}

extension CommandSuite {
    /// What README says of Python, as it stands there; `ROBUSTMOE_PYTHON` names a Python that has the packages.
    @Suite(
        "From Python", .serialized,
        .enabled(if: PyTorchPython.hasPackages, "no Python with pandas, safetensors, torch and torchvision"))
    struct PythonTests {
        @Test(
            "README's snippet reads the tables, and torchvision's network gives each image the loss that evaluate gave it"
        )
        func snippet() throws {
            let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
            let text = try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
            let snippet = try #require(text.firstMatch(of: #/(?s)```python\n(.*?)```/#)).1
            let folder = try Scratch.folder()
            let run = "\(folder)/results/cifar10-dense"
            let tiny = ["data.dataset=synthetic", "data.train_samples=128", "data.test_samples=24"]
            let trained = try robustmoe(
                [
                    "train", "--output", run, "training.epochs=1", "training.global_batch=32",
                    "training.optimizer.rate=0.02",
                ]
                    + tiny)
            #expect(trained.status == 0, "\(trained.errors)")
            let judged = try robustmoe([
                "evaluate", "--checkpoint", run, "--output", run + "-eval", "evaluation.attacks=[{id: pgd, steps: 2}]",
                "evaluation.write_images=true", "output.per_sample_long=true",
            ])
            #expect(judged.status == 0, "\(judged.errors)")
            let check = """

                found = torch.nn.functional.cross_entropy(logits, attacked["labels"], reduction="none")
                rows = images[images.attack == "pgd"].sort_values("index")
                assert list(rows["index"]) == attacked["indices"].tolist()
                expected = torch.tensor(rows.loss.to_numpy(), dtype=torch.float32)
                print("largest difference", ((found - expected).abs() / (1 + expected)).max().item(), len(rows))
                print("different predictions", sum(logits.argmax(1).numpy() != rows.prediction.to_numpy()))
                """
            let outcome = try CommandJob(
                ["-c", "cd \(folder) && exec \(try #require(PyTorchPython.path)) -c \"$SNIPPET\""], program: "/bin/sh",
                environment: ["SNIPPET": snippet + check]
            ).finish()
            #expect(outcome.status == 0, "\(outcome.errors)")
            let difference = outcome.output.firstMatch(of: #/largest difference (\S+) 24/#).flatMap { Double($0.1) }
            #expect(difference.map { $0 < 1e-4 } == true, "\(outcome.output)")
            #expect(outcome.output.contains("different predictions 0\n"), "\(outcome.output)")
        }
    }
}
