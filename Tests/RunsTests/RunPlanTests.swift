import Collectives
import Files
import TestSupport
import Testing

@testable import Configuration
@testable import Runs

@Suite("Plans")
struct RunPlanTests {
    /// 0.1 s and 0.01 s an image, four fifths of it attack; 100 MiB of gradients in 25 buckets.
    private let rates = MeasuredRates(
        network: "dense", settings: "s", processor: "p", blasKernel: "k", ranksOfHost: 2, hosts: 1, threads: 1,
        steps: [
            .init(images: 1, seconds: 0.11, attackSeconds: 0.088, tensorBytes: 10 << 20, evaluationBytes: 190 << 20),
            .init(images: 101, seconds: 1.11, attackSeconds: 0.888, tensorBytes: 110 << 20, evaluationBytes: 40 << 20),
        ],
        evaluation: .init(images: 64, forwardSeconds: 0.5, attackSeconds: 1.5),
        exchange: .init(gradientBytes: 100 << 20, buckets: 1, smallSums: 5), fixedBytes: 300 << 20, link: nil)
    private let link = MeasuredRates.Link(latencySeconds: 1e-4, bytesPerSecond: 1e9, origin: "test")
    private let task = RunPlan.Task(
        trainImages: 1000, evaluatedImages: 130, globalBatch: 128, epochs: 10, shards: 0, bucketBytes: 4 << 20,
        cleanEvaluations: 9, attackedEvaluations: 1, attackSteps: 20, chunk: 64, imageBytes: 3 << 20, ranksOfHost: 2,
        threads: 4, hostBytes: 2 << 30)

    private func plan(_ task: RunPlan.Task? = nil, ranks: Int = 2) -> RunPlan {
        RunPlan(task ?? self.task, rates, link: link, ranks: ranks)
    }

    private func near(_ first: Double, _ second: Double) -> Bool { abs(first - second) <= 1e-9 * abs(second) }

    @Test("steps are on a line between measured numbers of images, and past them")
    func interpolation() {
        #expect(near(rates.stepSeconds(images: 51), 0.61))
        #expect(near(rates.stepSeconds(images: 201), 2.11))
        #expect(near(rates.attackSeconds(images: 51), 0.488))
        #expect(rates.tensorBytes(images: 51) == 60 << 20)
        #expect(near(rates.stepSeconds(images: 1), 0.11))
    }

    @Test("long sums go around a ring, short ones up and down a tree")
    func sums() {
        let model = LinkModel(link: link)
        let bytes = 4 << 20
        #expect(near(model.seconds(bytes: bytes, ranks: 4), 6e-4 + 1.5 * Double(bytes) / 1e9))
        // Parts of the ring would have fewer elements than it pays for.
        #expect(near(model.seconds(bytes: bytes, ranks: 128), 14 * (1e-4 + Double(bytes) / 1e9)))
        #expect(near(model.seconds(bytes: 64, ranks: 3), 4 * (1e-4 + 64 / 1e9)))
        #expect(model.seconds(bytes: bytes, ranks: 1) == 0)
    }

    @Test("encoded gradients are sent in fewer bytes, and in as many messages as around a ring")
    func encoded() throws {
        let model = LinkModel(link: link)
        let short = model.seconds(bytes: 1000, ranks: 5, isEncoded: true)
        #expect(near(short, 8e-4 + 1.6e-6))
        #expect(near(model.seconds(bytes: 4 << 20, ranks: 4, isEncoded: true), model.seconds(bytes: 4 << 20, ranks: 4)))
        var (task, rates) = (task, rates)
        task.encodes = true
        task.bucketBytes = 1 << 20
        rates.exchange.gradientBytes = 25 << 20
        let plan = RunPlan(task, rates, link: .init(latencySeconds: 0, bytesPerSecond: 1e7, origin: "slow"), ranks: 2)
        #expect(plan.buckets == 25)
        let hidden = 0.6 * (rates.stepSeconds(images: 64) - rates.attackSeconds(images: 64))
        let (small, all) = (640 / 1e7, Double(25 << 20) / 1e7)
        #expect(near(plan.chosen.waitSeconds, small + all - hidden))
    }

    @Test("a link that is fitted to two sums gives these sums", arguments: [2, 3, 8])
    func fitted(_ ranks: Int) {
        let model = LinkModel(link: link)
        let bytes = 16 << 20
        let found = LinkModel.fitted(
            short: model.seconds(bytes: 0, ranks: ranks), long: model.seconds(bytes: bytes, ranks: ranks), bytes: bytes,
            ranks: ranks, origin: "again")
        #expect(abs(found.latencySeconds / link.latencySeconds - 1) < 1e-6)
        #expect(abs(found.bytesPerSecond / link.bytesPerSecond - 1) < 1e-6)
    }

    @Test("one rank waits for nobody; its hours are steps times seconds, and evaluations by whole chunks")
    func oneRank() throws {
        let row = try #require(plan().rows.first)
        #expect(row.ranks == 1 && row.efficiency == 1 && row.waitSeconds == 0)
        #expect(near(row.stepSeconds, 0.1 + 1.28))
        // 8 steps an epoch, the last one short; three chunks.
        #expect(plan().stepsPerEpoch == 8 && plan().steps == 80)
        #expect(near(row.trainingHours, 80 * 1.38 / 3600))
        #expect(near(row.evaluationHours, 3 * (9 * 0.5 + 1 * (2 * 0.5 + 20 * 1.5)) / 3600))
        #expect(near(row.coreHours, 4 * row.hours))
        // The evaluation takes what it takes beside the next smaller step.
        #expect(row.rankBytes == (300 + 16 + 3 + 137 + 40) << 20)
        #expect(plan().chosen.rankBytes == (300 + 16 + 3 + 73 + 190) << 20)
    }

    @Test("of the exchange a step waits for what its backward pass does not hide, and for the last part at least")
    func waits() throws {
        let row = plan().chosen
        let one = LinkModel(link: link).seconds(bytes: 4 << 20, ranks: 2)
        let short = 5 * LinkModel(link: link).seconds(bytes: 64, ranks: 2)
        let update = 0.74 - 0.592
        #expect(near(row.waitSeconds, short + max(one, 25 * one - 0.6 * update)))
        #expect(near(row.stepSeconds, 0.74 + row.waitSeconds))
        #expect(near(row.efficiency, 1.38 / (2 * row.stepSeconds)))
        let fast = RunPlan(
            task, rates, link: .init(latencySeconds: 0, bytesPerSecond: 1e12, origin: ""), ranks: 2
        ).chosen
        #expect(
            near(
                fast.waitSeconds,
                LinkModel(link: .init(latencySeconds: 0, bytesPerSecond: 1e12, origin: "")).seconds(
                    bytes: 4 << 20, ranks: 2) + 5 * 2 * 64 / 1e12))
    }

    @Test("ranks to 1,024, as many to a host as the layout has; memory is that of the host's ranks")
    func rows() throws {
        let plan = plan(ranks: 3)
        #expect(plan.rows.map(\.ranks) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024])
        #expect(plan.rows.map(\.hosts) == [1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512])
        #expect(plan.rows.map(\.imagesOfRank) == [128, 64, 32, 16, 8, 4, 2, 1, 1, 1, 1])
        #expect(plan.chosen.ranks == 3 && plan.chosen.imagesOfRank == 43)
        #expect(plan.rows.allSatisfy { !$0.exceedsMemory && $0.hostBytes == $0.rankBytes * min(2, $0.ranks) })
        var small = task
        small.hostBytes = 700 << 20
        #expect(self.plan(small).rows.map(\.exceedsMemory).prefix(3) == [false, true, true])
    }

    @Test("under deterministic shards only numbers of ranks that divide them are planned, and every shard moves")
    func shards() {
        var ordered = task
        ordered.shards = 12
        let plan = plan(ordered)
        #expect(plan.rows.map(\.ranks) == [1, 2, 3, 4, 6, 12])
        let short = 5 * LinkModel(link: link).seconds(bytes: 64, ranks: 2)
        #expect(near(plan.chosen.waitSeconds, short + Double(100 << 20) * 7 / 1e9))
    }

    @Test("rates are read as they were written, and other files are refused")
    func file() throws {
        let folder = try ScratchFolder()
        try rates.write(to: folder("rates.json"))
        #expect(try MeasuredRates(file: folder("rates.json")) == rates)
        #expect(try folder.text("rates.json").contains("\"ranks_of_host\" : 2"))
        var other = rates
        other.version = 99
        try other.write(to: folder("other.json"))
        try folder.write("{}", to: "empty.json")
        for name in ["other.json", "empty.json"] {
            #expect(throws: RunError.self) { try MeasuredRates(file: folder(name)) }
        }
    }

    @Test("rates belong to the settings that change a step, and to no others")
    func signature() throws {
        func signature(_ settings: String...) throws -> String {
            try RunConfiguration.resolve(layers: settings.map { ConfigurationLayer(override: $0) }).ratesSignature
        }
        let usual = try signature()
        for same in ["training.epochs=3", "training.global_batch=640", "distributed.threads=4", "training.seed=1"] {
            #expect(try signature(same) == usual, "\(same)")
        }
        for other in ["model.width=8", "training.method=pgd", "attack.steps=3", "kernels.arithmetic=exact"] {
            #expect(try signature(other) != usual, "\(other)")
        }
    }

    @Test("rates are measured with and without deterministic shards, of methods with and without attacks")
    func measurement() throws {
        let small = [
            "data.dataset=synthetic", "model.width=4", "training.global_batch=8", "attack.steps=1",
            "evaluation.chunk=8",
        ]
        for settings in [
            ["training.method=pgd"], ["distributed.deterministic_shards=4"], ["training.method=free"],
            [
                "training.method=trades", "moe.kind=conv", "moe.placement=[layer4]", "moe.capacity=1.5",
                "moe.balance.loss=switch",
            ],
        ] {
            let configuration = try RunConfiguration.resolve(
                layers: (small + settings).map { ConfigurationLayer(override: $0) })
            let found = try RateMeasurement(
                configuration: configuration, communicator: SoloCommunicator(), threads: 1, wanted: 2
            ).run()
            #expect(found.steps.map(\.images) == [1, 2, 4, 8], "\(settings)")
            #expect(found.steps.allSatisfy { $0.seconds > 0 && $0.attackSeconds <= $0.seconds && $0.tensorBytes > 0 })
            // A step on a chunk's images leaves an evaluation less to take than one on a single image.
            #expect(found.steps[0].evaluationBytes > found.steps[3].evaluationBytes, "\(settings)")
            #expect(found.exchange.gradientBytes > 100_000 && found.exchange.smallSums > 0)
            #expect(found.link == nil)
        }
    }

    @Test("a rehearsal counts what a rank would exchange, and leaves its values as they are")
    func rehearsal() throws {
        let rehearsal = RehearsalCommunicator(size: 3)
        var values = [Float](repeating: 2, count: 100)
        try values.withUnsafeMutableBufferPointer { buffer in
            rehearsal.allReduce(buffer, .sum)
            let isDone = try rehearsal.startAllReduceSum(buffer).test()
            #expect(isDone)
        }
        #expect(values == [Float](repeating: 2, count: 100))
        let (gathered, counts) = rehearsal.allGatherCounted([Int64(7)])
        #expect(gathered == [7, 7, 7] && counts == [1, 1, 1])
        #expect(
            rehearsal.traffic
                == .init(overlappedBytes: 400, overlapped: 1, immediate: 2, immediateBytes: 408))
    }
}
