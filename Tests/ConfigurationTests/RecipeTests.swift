import Datasets
import Foundation
import Networks
import Testing

@testable import Configuration

@Suite("recipes")
struct RecipeTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../launch/experiments").standardizedFileURL.path

    /// Every YAML file below `launch/experiments`, by its path there.
    static let recipes: [String] = ((try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? [])
        .filter { $0.hasSuffix(".yaml") }.sorted()

    private func configuration(_ recipe: String) throws -> RunConfiguration {
        try RunConfiguration.resolve(layers: [ConfigurationLayer(file: "\(Self.folder)/\(recipe)")])
    }

    @Test("there is one for every experiment of the published code that ran, or was meant to")
    func complete() {
        let published = Self.recipes.filter { $0.hasPrefix("robust-sparse-moes/") }
        let counts = [
            "cifar100-resnet18": 13, "cifar100-resnet50": 9, "cifar100-wideresnet502": 9, "cifar10-resnet18": 4,
            "imagenet-resnet18": 4, "imagenet-resnet50": 6, "mnist": 2,
            "evaluation": 3,
        ]
        for (name, count) in counts {
            #expect(published.count { $0.hasPrefix("robust-sparse-moes/\(name)/") } == count, "\(name)")
        }
        // Five methods for four networks on two data sets, and two networks on two more.
        #expect(Self.recipes.count { $0.hasPrefix("advmoe/") } == 60)
    }

    @Test("it can be read and its network be built, and its head has command, cost and aim", arguments: recipes)
    func builds(_ recipe: String) throws {
        let text = try String(contentsOfFile: "\(Self.folder)/\(recipe)", encoding: .utf8)
        let head = text.split(separator: "\n").prefix { $0.hasPrefix("#") }.joined(separator: " ")
        for phrase in ["robustmoe ", "launch/experiments/\(recipe)", "# Cost: "] {
            #expect(head.contains(phrase), "\(phrase)")
        }
        let resolved = try RunConfiguration.resolveWithWarnings(
            layers: [ConfigurationLayer(file: "\(Self.folder)/\(recipe)")],
            for: recipe.contains("/evaluation/") ? .evaluation : .training)
        // Studies leave the kind of experts to the command line.
        #expect(resolved.warnings.isEmpty || recipe.hasPrefix("study-"), "\(resolved.warnings)")
        let configuration = resolved.configuration
        let name = try #require(DatasetName(rawValue: configuration.data.dataset.rawValue))
        #expect(!(try Network.slots(configuration.networkSettings(name.traits))).isEmpty)
        guard recipe.hasPrefix("robust-sparse-moes/") else { return }
        #expect(head.contains("Aim:") && head.contains("core-"))
        #expect(recipe.contains("/evaluation/") || head.contains("evaluation.split=test"))
    }

    @Test("heads of AdvMoE's recipes tell what published.csv has of tables 1 and 2")
    func published() throws {
        let text = try String(contentsOfFile: "\(Self.folder)/advmoe/published.csv", encoding: .utf8)
        let rows = text.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
        #expect(rows.count { $0[0] == "table 1" } == 60 && rows.count { $0[0] == "table 2" } == 20)
        for row in rows where row[0] == "table 1" || row[0] == "table 2" {
            let recipe = "advmoe/\(row[1])-\(row[2])/\(row[3]).yaml"
            let lines = try String(contentsOfFile: "\(Self.folder)/\(recipe)", encoding: .utf8).split(separator: "\n")
            let head = lines.prefix { $0.hasPrefix("#") }.map { $0.dropFirst(2) }.joined(separator: " ")
            #expect(
                head.contains(
                    row[0] == "table 1"
                        ? "Aim: \(row[5])% robust, \(row[6])% standard accuracy (PGD-50; table 1) at \(row[7]) GFLOPs"
                        : "\(row[5])% under AutoAttack (table 2)"),
                "\(recipe)")
        }
    }

    @Test("heads of Robust Experts' recipes tell what its published.csv has")
    func publishedSparse() throws {
        let folder = "\(Self.folder)/robust-sparse-moes"
        let lines = try String(contentsOfFile: "\(folder)/published.csv", encoding: .utf8).split(separator: "\n")
        let columns = lines[0].split(separator: ",").map(String.init)
        // The places of the first tables have a comma, in quotes.
        let rows = lines.dropFirst().map { line -> [String: String] in
            let plain = line.replacing(/"[^"]*"/, with: "table")
            let cells = plain.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            return Dictionary(zip(columns, cells)) { first, _ in first }
        }
        #expect(rows.count == 438)
        var told = 0
        for recipe in Self.recipes where recipe.hasPrefix("robust-sparse-moes/cifar100") {
            let text = try String(contentsOfFile: "\(Self.folder)/\(recipe)", encoding: .utf8)
            let head = text.split(separator: "\n").prefix { $0.hasPrefix("#") }.map { $0.dropFirst(2) }
                .joined(separator: " ")
            let aim = /Aim: clean ([\d.]+)%, PGD-20 ([\d.]+)%, APGD ([\d.]+)%/
            guard let found = try aim.firstMatch(in: head) else { continue }
            told += 1
            let run = try configuration(recipe)
            let hasExperts = run.moe.kind != .none
            func value(_ attack: String) -> [String: String]? {
                rows.first { row in
                    row["attack"] == attack && row["network"] == run.model.architecture.rawValue
                        && row["training.method"] == run.training.method.rawValue
                        && row["moe.kind"] == (run.moe.kind.value?.rawValue ?? "none")
                        && (!hasExperts
                            || row["moe.placement"] == "[\(run.resolvedPlacement.joined(separator: ", "))]"
                                && row["moe.balance.loss"] == run.moe.resolvedLoss.rawValue
                                && row["moe.router"] == run.moe.router.rawValue && row["moe.top_k"] == "1")
                }
            }
            let (pgd, apgd) = (try #require(value("pgd-20"), "\(recipe)"), try #require(value("apgd-ce-20")))
            #expect(pgd["standard_accuracy"] == String(found.1), "\(recipe)")
            #expect(pgd["robust_accuracy"] == String(found.2), "\(recipe)")
            #expect(apgd["robust_accuracy"] == String(found.3), "\(recipe)")
        }
        #expect(told >= 10)
    }

    @Test(
        "the released code's preset can be laid over every recipe of AdvMoE",
        arguments: recipes.filter { $0.hasPrefix("advmoe/") })
    func releasedCode(_ recipe: String) throws {
        let run = try RunConfiguration.resolve(
            layers: [
                ConfigurationLayer(file: "\(Self.folder)/\(recipe)"),
                ConfigurationLayer(override: "preset=advmoe-code"),
            ])
        let hasExperts = recipe.hasSuffix("/moe.yaml") || recipe.hasSuffix("/advmoe.yaml")
        #expect(run.model.initialization == .advmoe && (run.moe.kind != .none) == hasExperts)
        #expect(!hasExperts || run.moe.scope == .image && run.moe.slabs == .disjoint)
        let isAdvMoE = run.training.method == .advmoe
        #expect(isAdvMoE == recipe.hasSuffix("/advmoe.yaml"))
        let updates =
            isAdvMoE
            ? run.training.methods.advmoe.method.statisticsUpdates : run.training.methods.trades.statisticsUpdates
        #expect(updates == .published)
    }

    @Test("recipes resolve to the published settings")
    func settings() throws {
        let pgd = try configuration("robust-sparse-moes/cifar100-resnet18/pgd-adv-train-resnet-conv-moe.yaml")
        #expect(pgd.training.method == .pgd && pgd.attack.epsilon == 0.03137 && pgd.attack.steps == 7)
        #expect(pgd.training.globalBatch == 640 && pgd.training.validationFraction == 0.2)
        #expect(pgd.moe.kind == .given(.conv))
        #expect(pgd.moe.balance.loss == .given(.entropy) && pgd.moe.balance.weight == 0.5)
        let slots = try Network.slots(pgd.networkSettings(DatasetName.cifar100.traits))
        #expect(slots.count == 147 && slots.filter { !$0.isStatistic }.map(\.count).reduce(0, +) == 36_394_168)
        let block = try configuration("robust-sparse-moes/cifar100-resnet50/resnet-block-moe.yaml")
        let deep = try Network.slots(block.networkSettings(DatasetName.cifar100.traits))
        #expect(deep.count == 506 && deep.filter { !$0.isStatistic }.map(\.count).reduce(0, +) == 68_619_952)
        let fast = try configuration("robust-sparse-moes/cifar100-resnet18/fast-adv-train.yaml")
        #expect(fast.training.method == .fast && fast.attack.name == .fgsm)
        #expect(fast.attack.start == .given(.uniformUnclamped))
        #expect(fast.attack.epsilon == 4.0 / 255)
        let free = try configuration("robust-sparse-moes/cifar10-resnet18/free-adv-train-resnet-block-moe.yaml")
        #expect(free.training.method == .free && free.training.methods.free.replays == 4 && free.moe.capacity == 1.5)
        #expect(free.moe.balance.loss == .given(.switchLoss) && free.training.epochs == 30)
        let alternating = try configuration("advmoe/tiny-imagenet-wrn-28-10/advmoe.yaml")
        #expect(alternating.training.method == .advmoe && alternating.moe.kind == .given(.channel))
        #expect(alternating.model.ratio == 0.5)
        #expect(
            alternating.attack.epsilon == 2.0 / 255 && alternating.training.methods.advmoe.method.order == .routerFirst)
        let wide = try configuration("robust-sparse-moes/cifar100-wideresnet502/wideresnet-conv-moe.yaml")
        #expect(wide.model.architecture == .wideResnet50 && wide.training.schedule.minimumRate == 1e-5)
    }
}
