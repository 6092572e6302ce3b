import Configuration
import Foundation

/// A plan as people and programs read it.
struct PlanReport {
    let plan: RunPlan
    let task: RunPlan.Task
    let rates: MeasuredRates
    let layout: RankLayout
    let allocation: Allocation
    let configuration: RunConfiguration
    let warnings: [String]

    /// The attacks whose time is not known beforehand.
    private var unknownAttacks: [String] {
        configuration.resolvedEvaluationAttacks.filter { $0.gradientSteps == nil }.map(\.resolvedId)
    }

    /// The plan as lines of text.
    var lines: [String] {
        let chosen = plan.chosen
        var lines = [
            "configuration: valid"
                + (warnings.isEmpty ? "" : ", with \(warnings.count) warning\(warnings.count == 1 ? "" : "s")")
        ]
        lines += warnings.map { "warning: \($0)" }
        lines += [
            "network: \(rates.network)",
            "images: \(task.trainImages) to train on, \(task.evaluatedImages) to evaluate; \(Self.size(task.imageBytes)) in every rank",
            "steps: \(plan.stepsPerEpoch) an epoch of \(task.globalBatch) images, \(plan.steps) in all",
            "hosts of \(allocation.source):",
        ]
        lines += layout.summary.map { "  \($0)" }
        lines += [
            "start: launch/train does \(layout.launcherWords.joined(separator: " ")) robustmoe train ... distributed.threads=\(layout.threads)",
            "exchange: \(Self.size(plan.gradientBytes)) of gradients a rank and step in \(plan.buckets) "
                + "part\(plan.buckets == 1 ? "" : "s"), \(plan.smallSums) short sum\(plan.smallSums == 1 ? "" : "s"); link \(plan.link.words)",
            "memory: at most \(Self.size(chosen.rankBytes)) a rank, \(Self.size(chosen.hostBytes)) a host, of "
                + "\(Self.size(plan.hostLimitBytes))" + (chosen.exceedsMemory ? ": too much" : ""),
            "rates: \(rates.ranksOfHost) rank\(rates.ranksOfHost == 1 ? "" : "s") x \(rates.threads) thread"
                + "\(rates.threads == 1 ? "" : "s") at once, \(rates.processor), OpenBLAS kernels \(rates.blasKernel); "
                + "measured on \(rates.steps.map { String($0.images) }.joined(separator: ", ")) images a rank",
        ]
        if !unknownAttacks.isEmpty {
            lines.append(
                "hours leave out attacks whose steps are not known beforehand: \(unknownAttacks.joined(separator: ", "))"
            )
        }
        let titles = [
            "ranks", "hosts", "images", "step s", "waits s", "images/s", "efficiency", "hours", "evaluating",
            "core-hours",
            "MiB a rank",
        ]
        let rows = plan.rows.contains { $0.ranks == chosen.ranks } ? plan.rows : plan.rows + [chosen]
        let cells = rows.sorted { $0.ranks < $1.ranks }.map(Self.cells)
        let widths = titles.indices.map { column in ([titles] + cells).map { $0[column].count }.max() ?? 0 }
        lines += ([titles] + cells).map { row in
            zip(row, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }.joined(separator: "  ")
        }
        return lines
    }

    private static func cells(_ row: RunPlan.Row) -> [String] {
        [
            String(row.ranks), String(row.hosts), String(row.imagesOfRank), Console.significant(row.stepSeconds),
            Console.significant(row.waitSeconds), Console.significant(row.imagesPerSecond),
            Console.percent(row.efficiency), Console.significant(row.hours), Console.significant(row.evaluationHours),
            Console.significant(row.coreHours), "\(row.rankBytes >> 20)\(row.exceedsMemory ? " (!)" : "")",
        ]
    }

    private static func size(_ bytes: Int) -> String {
        bytes < 10 << 30
            ? "\(Console.significant(Double(bytes) / 1_048_576)) MiB"
            : "\(Console.significant(Double(bytes) / 1_073_741_824)) GiB"
    }

    /// The plan as JSON.
    var json: String {
        get throws {
            struct Host: Encodable {
                let name: String
                let ranks: Int
                let threads: Int
                let cores: Int
            }
            struct Document: Encodable {
                let valid: Bool
                let warnings: [String]
                let network: String
                let trainImages: Int
                let evaluatedImages: Int
                let imageBytes: Int
                let hosts: [Host]
                let hostsFrom: String
                let launcher: [String]
                let attacksLeftOut: [String]
                let plan: RunPlan
                let rates: MeasuredRates
            }
            return try JSONEncoder.ofPlans.text(
                Document(
                    valid: true, warnings: warnings, network: rates.network, trainImages: task.trainImages,
                    evaluatedImages: task.evaluatedImages, imageBytes: task.imageBytes,
                    hosts: layout.hosts.map {
                        Host(name: $0.name, ranks: $0.ranks, threads: $0.threads, cores: $0.cores)
                    },
                    hostsFrom: allocation.source, launcher: layout.launcherWords, attacksLeftOut: unknownAttacks,
                    plan: plan, rates: rates))
        }
    }
}

extension Console {
    /// A number with three digits that count, and no more decimals than that takes.
    static func significant(_ value: Double) -> String {
        guard value.isFinite, value != 0 else { return value == 0 ? "0" : "\(value)" }
        let digits = Int(log10(abs(value)).rounded(.down)) + 1
        return fixed(value, max(0, 3 - digits))
    }
}
