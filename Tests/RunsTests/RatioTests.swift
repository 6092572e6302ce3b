import Collectives
import Foundation
import Testing

@testable import Configuration
@testable import Runs
@testable import Tensors

/// Speeds as ratios of what one process does in turn: a lost optimisation fails, a slow or busy machine does not.
///
/// Limits leave a quarter or more to the figures that were measured with the AVX2 and the AVX-512 kernels of OpenBLAS.
/// Nothing else may run beside this suite: `ROBUSTMOE_RATIO_TESTS=1 swift test --filter RatioTests`.
@Suite(
    "Ratios of speeds", .serialized,
    .enabled(if: ProcessInfo.processInfo.environment["ROBUSTMOE_RATIO_TESTS"] == "1"))
struct RatioTests {
    /// A disturbance may spoil a measurement and cannot make one better than the code: the best of some counts.
    private static let attempts = 6

    /// Measures until `isMet` or no attempt is left, and says what was found.
    private func expect<Found>(
        _ claim: String, measure: () throws -> Found, isMet: (Found) -> Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) rethrows {
        var found: [Found] = []
        for _ in 0..<Self.attempts {
            let next = try measure()
            if isMet(next) { return }
            found.append(next)
        }
        Issue.record("expected \(claim), found \(found)", sourceLocation: sourceLocation)
    }

    private func configuration(_ change: (inout RunConfiguration) -> Void) -> RunConfiguration {
        var configuration = RunConfiguration()
        configuration.training.globalBatch = 32
        configuration.distributed.threads = .given(1)
        change(&configuration)
        return configuration
    }

    /// Effective rates over the matrix product's, for the kernels of one stage of each kind.
    private func kernelRatios() throws -> [String: Double] {
        MatrixProduct.useOneThread()
        let results = try KernelBenchmark(
            configuration: configuration { $0.training.globalBatch = 64 }, threads: 1, repetitions: 3
        ).run()
        let peak = try #require(results.first { $0.work == KernelBenchmark.peakName }?.rate)
        return Dictionary(
            uniqueKeysWithValues: results.compactMap { result in
                result.rate.map { (result.work, $0 / peak) }
            }
        ).filter { $0.key != KernelBenchmark.peakName }
    }

    @Test("Convolutions do less arithmetic than direct ones: they beat the matrix product's rate")
    func kernels() throws {
        // A direct convolution reaches 0.9; F(4x4) is bound by 4. OpenBLAS's products alone reach 1.7 to 3, 2.5 in the mean; with
        // our own, 3.4 in the mean was measured with AVX2, and 2.8 with AVX-512, where OpenBLAS's small products are good too.
        let isOwn = TileProduct.isAvailable
        let needed = isOwn ? (MatrixProduct.largestUnpackedProduct == nil ? 2.7 : 2.0) : 1.6
        try expect(
            "a mean of at least \(needed) times the rate of sgemm, and no kernel below 1.2", measure: kernelRatios
        ) { ratios in
            let mean = ratios.values.reduce(0, +) / Double(ratios.count)
            return mean >= needed && ratios.values.allSatisfy { $0 >= 1.2 }
        }
    }

    /// Times of parts of a step in turn, by network.
    private func medians(
        _ configurations: [RunConfiguration], _ parts: [BenchmarkSession.Part]
    ) throws -> [[Double]] {
        MatrixProduct.useOneThread()
        let works = try configurations.map {
            try StepBenchmark($0, communicator: SoloCommunicator(), threads: 1).works(parts)
        }
        let medians = try Measurement.inTurn(works.flatMap { $0 }, repetitions: 5).map(\.median)
        return works.indices.map { Array(medians[$0 * parts.count..<($0 + 1) * parts.count]) }
    }

    @Test("Sixteen experts of which each image asks one cost little more than none")
    func mixture() throws {
        let dense = configuration { $0.model.width = 32 }
        var experts = dense
        experts.moe.kind = .given(.conv)
        experts.moe.placement = ["layer4.1"]
        experts.moe.experts = 16
        experts.moe.routes = .uniform
        // All sixteen for each image would be 2.8 times the arithmetic of the dense network; 1.3 was measured.
        try expect(
            "an attack step of at most 1.8 times the dense network's",
            measure: { try medians([experts, dense], [.attack]).map { $0[0] } }
        ) { times in times[0] / times[1] <= 1.8 }
    }

    @Test("An attack step is a forward pass and as much again: it makes no weight gradient")
    func attack() throws {
        try expect(
            "an attack step of at most 2.6 forward passes",
            measure: { try medians([configuration { $0.model.width = 32 }], [.forward, .attack])[0] }
        ) { times in times[1] / times[0] <= 2.6 }
    }

    @Test(
        "The second thread comes in time to help",
        .enabled(if: ProcessInfo.processInfo.activeProcessorCount > 1))
    func secondThread() throws {
        // Two threads were as slow as one where a helper was put to sleep between loops and woke when the next was over. Processors
        // that are one core's two hardware threads give 1.3 to 1.4 times one's speed; two cores 1.8 was measured.
        try expect(
            "an attack step on two threads in at most 0.95 of one thread's time",
            measure: {
                MatrixProduct.useOneThread()
                let configuration = configuration { $0.model.width = 32 }
                let works = try [1, 2].flatMap { threads in
                    try StepBenchmark(configuration, communicator: SoloCommunicator(), threads: threads).works([
                        .attack
                    ])
                }
                return try Measurement.inTurn(works, repetitions: 5).map(\.median)
            }
        ) { times in times[1] / times[0] <= 0.95 }
    }

    @Test("Filters that stand still are not transformed again")
    func standingFilters() throws {
        // With few images the transforms take as long as the rest: without a cache, 1.8 times was measured.
        let cached = configuration {
            $0.model.width = 32
            $0.training.globalBatch = 4
        }
        var anew = cached
        anew.kernels.transformCacheMegabytes = 0
        try expect(
            "an attack step of at most 0.85 times the one without a cache",
            measure: { try medians([cached, anew], [.attack]).map { $0[0] } }
        ) { times in times[0] / times[1] <= 0.85 }
    }
}
