import Collectives
import Tensors
import Testing

@testable import Training

@Suite("the noise of free training")
struct FreeNoiseTests {
    private let workspace = Workspace()

    private func noise(shards: Int = 1) -> FreeNoise {
        FreeNoise(
            epsilon: 0.5, stepSize: 0.375, globalBatch: 3, shape: (height: 1, width: 2, channels: 2), shards: shards,
            SoloCommunicator())
    }

    private func tensor(_ images: Int, _ value: (Int) -> Float) -> Tensor {
        let tensor = Tensor(workspace, images: images, height: 1, width: 2, channels: 2)
        for index in 0..<tensor.count { tensor.pointer[index] = value(index) }
        return tensor
    }

    private func batch(_ shards: [Tensor]) -> TrainingBatch {
        TrainingBatch(
            images: shards, labels: shards.map { .init(repeating: 0, count: $0.images) },
            samples: shards.map { Array(0..<$0.images) }, globalSize: shards.reduce(0) { $0 + $1.images })
    }

    @Test("Noise begins at zero, follows the sign within epsilon, and images stay in [0, 1]")
    func growth() {
        var noise = noise()
        let whole = batch([tensor(3) { $0 < 4 ? 0.5 : 0.875 }])
        #expect(noise.applied(to: whole)[0].toArray() == whole.images[0].toArray())
        // Signs of the first image: +, −, 0, NaN; all others +.
        let slopes: [Float] = [2, -3, 0, .nan]
        let gradient = tensor(3) { slopes[min($0, 3)] }
        let ones = tensor(3) { $0 < 4 ? slopes[$0] : 1 }
        noise.ascend([gradient], batch([tensor(3) { _ in 0 }]))
        #expect(Array(noise.applied(to: whole)[0].toArray().prefix(4)) == [0.875, 0.125, 0.5, 0.5])
        noise.ascend([ones], whole)
        // A second step of 0.375 ends at epsilon 0.5; 0.875 + 0.375 is clamped to 1, the noise itself is not.
        #expect(noise.applied(to: whole)[0].toArray() == [1, 0, 0.5, 0.5] + [Float](repeating: 1, count: 8))
        let dark = batch([tensor(3) { _ in 0 }])
        #expect(noise.applied(to: dark)[0].toArray() == [0.5, 0, 0, 0] + [Float](repeating: 0.375, count: 8))
    }

    @Test("A pixel that is clamped keeps its noise, one at the very bound moves, as PyTorch's clamp has it")
    func clamped() {
        var noise = noise()
        func rise(_ values: [Float]) { noise.ascend([tensor(3) { _ in 1 }], batch([tensor(3) { values[$0 % 4] }])) }
        func fall(_ values: [Float]) { noise.ascend([tensor(3) { _ in -1 }], batch([tensor(3) { values[$0 % 4] }])) }
        func found() -> [Float] {
            guard case .float(let values) = noise.tensor.values else { return [] }
            // Outside channels come first.
            return [values[0], values[2], values[1], values[3]]
        }
        rise([0, 0.25, 0.625, 0.75])
        #expect(found() == [0.375, 0.375, 0.375, 0.375])
        // Sums of 0.5, 0.75, 1 and 1.25: only the last one lies outside.
        fall([0.125, 0.375, 0.625, 0.875])
        #expect(found() == [0, 0, 0, 0.375])
        rise([0, 0, 1, 0.75])
        #expect(found() == [0.375, 0.375, 0.375, 0.375])
    }

    @Test("Rows belong to positions of the batch, whatever its shards; a short batch has the first ones")
    func positions() {
        var (one, two) = (noise(), noise(shards: 2))
        let gradient = tensor(3) { Float($0) - 5 }
        one.ascend([gradient], batch([tensor(3) { _ in 0.5 }]))
        // Three images in two shards: one, and two.
        two.ascend(
            [tensor(1) { Float($0) - 5 }, tensor(2) { Float($0) - 1 }],
            batch([tensor(1) { _ in 0.5 }, tensor(2) { _ in 0.5 }]))
        #expect(one.tensor == two.tensor)
        let short = batch([tensor(1) { _ in 0.5 }])
        #expect(one.applied(to: short)[0].toArray() == [0.125, 0.125, 0.125, 0.125])
    }

    @Test("Noise goes through a checkpoint as [positions, channels, height, width], and only if it fits")
    func checkpoint() throws {
        var (noise, other) = (noise(), noise())
        noise.ascend([tensor(3) { $0 == 1 ? 1 : 0 }], batch([tensor(3) { _ in 0 }]))
        #expect(noise.tensor.name == "free.noise" && noise.tensor.shape == [3, 2, 1, 2])
        // Element 1 is channel 1 of pixel 0: third of [channel][pixel].
        #expect(noise.tensor.values == .float([0, 0, 0.375, 0] + [Float](repeating: 0, count: 8)))
        try other.restore(["free.noise": noise.tensor], from: "state")
        #expect(other.tensor == noise.tensor)
        #expect { try other.restore([:], from: "state") } throws: {
            "\($0)".contains("free.noise of shape [3, 2, 1, 2], found none")
        }
    }
}
