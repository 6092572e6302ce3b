import Attacks
import Collectives
import Configuration
import Datasets
import Files
import Foundation
import Tensors
import Weights

/// The perturbation that free adversarial training (Shafahi et al., arXiv:1904.12843) grows while it trains: one noise
/// image for each position of the global batch, kept from replay to replay and from batch to batch.
///
/// Every rank holds all of it and changes the rows of its own images; ``share(_:)`` makes it the same everywhere again,
/// so that it does not depend on how batches are cut. A short batch uses the first rows.
package final class FreeNoise {
    /// The name in `state.safetensors`.
    package static let name = "free.noise"

    private let epsilon: Float
    private let stepSize: Float
    private let globalBatch: Int
    private let traits: DatasetTraits
    private let shards: Int
    private let communicator: any Communicator
    /// `[position][height][width][channel]`, each within ±epsilon.
    private var values: [Float]

    /// Makes noise of zeros; `shards` is the number of parts that every rank's images are cut into.
    package init(
        _ attack: RunConfiguration.Attack, globalBatch: Int, _ traits: DatasetTraits, shards: Int,
        _ communicator: any Communicator
    ) {
        epsilon = Float(attack.epsilon)
        stepSize = Float(attack.stepSize)
        self.globalBatch = globalBatch
        self.traits = traits
        self.shards = shards
        self.communicator = communicator
        values = [Float](repeating: 0, count: globalBatch * traits.imageSize)
    }

    /// Where the rows of a shard of this rank begin and end in the noise.
    private func range(_ shard: Int, _ batch: PreparedBatch) -> Range<Int> {
        let start = (communicator.rank * shards + shard) * batch.globalSize / (communicator.size * shards)
        return start * traits.imageSize..<start * traits.imageSize + batch.images[shard].count
    }

    /// Returns the images with their noise, clamped to [0, 1].
    package func applied(to batch: PreparedBatch) -> [Tensor] {
        batch.images.enumerated().map { shard, clean in
            let result = Tensor(like: clean)
            for (index, place) in range(shard, batch).enumerated() {
                result.pointer[index] = min(max(clean.pointer[index] + values[place], 0), 1)
            }
            return result
        }
    }

    /// Moves the noise of this rank's images along the sign of the gradient and back within ±epsilon.
    package func ascend(_ gradient: [Tensor], _ batch: PreparedBatch) {
        for (shard, gradient) in gradient.enumerated() {
            for (index, place) in range(shard, batch).enumerated() {
                let g = gradient.pointer[index]
                let moved = values[place] + (g > 0 ? stepSize : g < 0 ? -stepSize : 0)
                values[place] = min(max(moved, -epsilon), epsilon)
            }
        }
    }

    /// Brings all ranks' rows of a batch to every rank; collective.
    package func share(_ batch: PreparedBatch) throws {
        guard communicator.size > 1 else { return }
        let first = range(0, batch).lowerBound
        let count = batch.images.reduce(0) { $0 + $1.count }
        let all = try communicator.allGather(Array(values[first..<first + count]))
        values.replaceSubrange(0..<all.count, with: all)
    }

    /// The noise as checkpoints hold it, `[positions, channels, height, width]`.
    package var tensor: NamedTensor {
        NamedTensor(name: FreeNoise.name, shape: order.shapeInFiles, values: .float(order.forFiles(values)))
    }

    /// Takes up the noise of a checkpoint.
    package func restore(_ tensors: [String: NamedTensor], from path: String) throws {
        let shape = order.shapeInFiles
        guard let tensor = tensors[FreeNoise.name], tensor.shape == shape, case .float(let outside) = tensor.values
        else {
            let found = tensors[FreeNoise.name].map { "one of \($0.shape)" } ?? "none"
            throw RunError.checkpoint("\(path): expected a tensor \(FreeNoise.name) of shape \(shape), found \(found)")
        }
        values = order.forMemory(outside)
    }

    private var order: ImageOrder {
        ImageOrder(images: globalBatch, height: traits.height, width: traits.width, channels: traits.channels)
    }
}
