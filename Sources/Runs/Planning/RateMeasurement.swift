import Collectives
import Configuration
import Datasets
import Files
import Foundation
import Tensors

/// Measures, in less than a minute, what a plan is worked out from; all ranks at once, so that they are in each other's way as
/// they will be.
struct RateMeasurement {
    /// Seconds after which no longer step is begun.
    private static let budget = 30.0
    /// Steps on each number of images, after one that is not counted.
    private static let repetitions = 3
    private static let link = (short: 4, long: 16 << 20)

    let configuration: RunConfiguration
    let communicator: any Communicator
    let threads: Int
    /// The images of a rank that the plan asks about most; measured too where there is time.
    let wanted: Int

    /// Measures; collective.
    func run() throws -> MeasuredRates {
        let start = ContinuousClock.now
        var steps: [MeasuredRates.Step] = []
        var blocks: [[Int: Int]] = []
        var traffic = RehearsalCommunicator.Traffic()
        var fixed = 0
        let base = Self.residentBytes
        let most = configuration.training.globalBatch
        var sizes = Set([wanted, most].filter { $0 >= 1 })
        var size = 1
        while size < most {
            sizes.insert(size)
            size *= 4
        }
        for images in sizes.sorted() {
            let elapsed = (ContinuousClock.now - start) / .seconds(1)
            if let last = steps.last {
                // One step to begin with, and one to count.
                let expected = 2.5 * last.seconds * Double(images) / Double(last.images)
                guard try agreed(elapsed + expected < Self.budget) else { continue }
            }
            let (step, own, stepBlocks, resident) = try measure(images, until: Self.budget - elapsed)
            steps.append(step)
            blocks.append(stepBlocks)
            traffic = own
            // Of the smallest step: there is least beside weights, gradients and optimizer.
            if steps.count == 1 { fixed = max(0, resident - step.tensorBytes) }
        }
        let (evaluation, evaluationBlocks) = try measureEvaluation()
        for (number, present) in blocks.enumerated() {
            steps[number].evaluationBytes = Workspace.bytes(of: evaluationBlocks, beside: present)
        }
        return MeasuredRates(
            network: configuration.networkWords, settings: configuration.ratesSignature,
            processor: KernelText.processor.value("model name") ?? "unknown", blasKernel: MatrixProduct.kernelName,
            ranksOfHost: communicator.localSize, hosts: try NodeTopology.gather(communicator).hosts.count,
            threads: threads, steps: steps, evaluation: evaluation,
            exchange: .init(
                gradientBytes: traffic.overlappedBytes > 0 ? traffic.overlappedBytes : traffic.immediateBytes,
                buckets: max(1, traffic.overlapped), smallSums: traffic.immediate),
            fixedBytes: max(fixed, base), link: try measureLink())
    }

    /// What all ranks say yes to.
    private func agreed(_ own: Bool) throws -> Bool { try communicator.allReduce(Int64(own ? 1 : 0), .min) == 1 }

    /// Steps of a rank on so many images, beside as many ranks as deterministic shards ask for, or one more.
    private func measure(
        _ images: Int, until seconds: Double
    ) throws -> (MeasuredRates.Step, RehearsalCommunicator.Traffic, blocks: [Int: Int], resident: Int) {
        let rehearsal = RehearsalCommunicator(size: max(2, configuration.distributed.deterministicShards))
        var settings = configuration
        settings.training.globalBatch = images * rehearsal.size
        let benchmark = try StepBenchmark(settings, communicator: rehearsal, threads: threads)
        let work = benchmark.ownStep()
        try communicator.barrier()
        try work.body()
        let start = ContinuousClock.now
        var times: [Double] = []
        benchmark.resetTimes()
        let before = rehearsal.traffic
        repeat {
            let begin = ContinuousClock.now
            try work.body()
            times.append((ContinuousClock.now - begin) / .seconds(1))
        } while try agreed(
            times.count < Self.repetitions && (ContinuousClock.now - start) / .seconds(1) + times[0] < seconds / 3)
        let after = rehearsal.traffic
        var slowest = [times.sorted()[times.count / 2], benchmark.attackShare]
        try communicator.allReduce(&slowest, .max)
        let traffic = RehearsalCommunicator.Traffic(
            overlappedBytes: (after.overlappedBytes - before.overlappedBytes) / times.count,
            overlapped: (after.overlapped - before.overlapped) / times.count,
            immediate: (after.immediate - before.immediate) / times.count,
            immediateBytes: (after.immediateBytes - before.immediateBytes) / times.count)
        let step = MeasuredRates.Step(
            images: images, seconds: slowest[0], attackSeconds: slowest[0] * min(1, slowest[1]),
            tensorBytes: benchmark.tensorBytes, evaluationBytes: 0)
        return (step, traffic, benchmark.tensorBlocks, Self.residentBytes)
    }

    private func measureEvaluation() throws -> (MeasuredRates.Evaluation, blocks: [Int: Int]) {
        var settings = configuration
        settings.training.globalBatch = configuration.evaluation.chunk
        settings.distributed.deterministicShards = 0
        let benchmark = try StepBenchmark(settings, communicator: SoloCommunicator(), threads: threads)
        try communicator.barrier()
        var seconds: [Double] = []
        for work in try benchmark.works([.forward, .attack]) {
            try work.body()
            let start = ContinuousClock.now
            try work.body()
            seconds.append((ContinuousClock.now - start) / .seconds(1))
        }
        try communicator.allReduce(&seconds, .max)
        let evaluation = MeasuredRates.Evaluation(
            images: configuration.evaluation.chunk, forwardSeconds: seconds[0], attackSeconds: seconds[1])
        return (evaluation, benchmark.tensorBlocks)
    }

    private func measureLink() throws -> MeasuredRates.Link? {
        guard communicator.size > 1 else { return nil }
        let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: Self.link.long / 4)
        defer { memory.deallocate() }
        memory.initialize(repeating: 0)
        func seconds(_ bytes: Int, times: Int) throws -> Double {
            let part = UnsafeMutableBufferPointer(rebasing: memory[..<(bytes / 4)])
            var all: [Double] = []
            for _ in 0...times {
                try communicator.barrier()
                let start = ContinuousClock.now
                // As gradients are summed.
                try communicator.startAllReduceSum(part).wait()
                all.append((ContinuousClock.now - start) / .seconds(1))
            }
            let middle = all.dropFirst().sorted()[times / 2]
            return try communicator.allReduce(middle, .max)
        }
        let hosts = try NodeTopology.gather(communicator).hosts.count
        return LinkModel.fitted(
            short: try seconds(Self.link.short, times: 20), long: try seconds(Self.link.long, times: 5),
            bytes: Self.link.long, ranks: communicator.size,
            origin: hosts > 1
                ? "measured between \(hosts) hosts" : "measured between \(communicator.size) ranks of one host")
    }

    /// The memory that this process holds now, by the kernel's account.
    static var residentBytes: Int {
        let kibibytes = KernelText.process.value("VmRSS")?.split(separator: " ").first
        return (kibibytes.flatMap { Int($0) } ?? 0) << 10
    }
}

extension RunConfiguration {
    /// The settings that a rank's step times and memory hang on, as one text.
    var ratesSignature: String {
        let sections = ["model.", "moe.", "attack.", "kernels.", "data.dataset", "data.resize", "data.crop"]
        let keys = ["training.method", "training.micro_batch", "training.parameters", "training.weight_average"]
        let own = leaves(except: ["model.initialization"]).filter { leaf in
            sections.contains { leaf.key.hasPrefix($0) } || keys.contains(leaf.key)
                || leaf.key.hasPrefix("training.optimizer.name")
                || ["distributed.deterministic_shards", "distributed.wire", "distributed.error_feedback"]
                    .contains(leaf.key)
        }
        let text = own.map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " ")
        return ContentDigest(of: text.utf8).hexadecimal
    }
}
