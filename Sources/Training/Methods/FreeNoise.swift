import Collectives
import Files
import Tensors
import Weights

/// The perturbation that free adversarial training (Shafahi et al., arXiv:1904.12843) grows while it trains: one noise
/// image for each position of the global batch, kept from replay to replay and from batch to batch.
///
/// Every rank holds all of it and changes the rows of its own images; ``share(_:)`` makes it the same everywhere again,
/// so that it does not depend on how batches are cut. A short batch uses the first rows.
package struct FreeNoise {
    /// The name in `state.safetensors`.
    package static let name = "free.noise"

    private let epsilon: Float
    private let stepSize: Float
    private let globalBatch: Int
    /// Rows, columns and channels of an image.
    private let shape: (height: Int, width: Int, channels: Int)
    private let shards: Int
    private let communicator: any Communicator
    /// `[position][height][width][channel]`, each within ±epsilon.
    private var values: [Float]

    /// Makes noise of zeros; `epsilon` and `stepSize` are in units of [0, 1] images, `shards` is the number of parts that every
    /// rank's images are cut into.
    package init(
        epsilon: Float, stepSize: Float, globalBatch: Int, shape: (height: Int, width: Int, channels: Int), shards: Int,
        _ communicator: any Communicator
    ) {
        self.epsilon = epsilon
        self.stepSize = stepSize
        self.globalBatch = globalBatch
        self.shape = shape
        self.shards = shards
        self.communicator = communicator
        values = [Float](repeating: 0, count: globalBatch * shape.height * shape.width * shape.channels)
    }

    private var imageSize: Int { shape.height * shape.width * shape.channels }

    /// Where the rows of a shard of this rank begin and end in the noise.
    private func range(_ shard: Int, _ batch: TrainingBatch) -> Range<Int> {
        let start = (communicator.rank * shards + shard) * batch.globalSize / (communicator.size * shards)
        return start * imageSize..<start * imageSize + batch.images[shard].count
    }

    /// Returns the images with their noise, clamped to [0, 1].
    package func applied(to batch: TrainingBatch) -> [Tensor] {
        batch.images.enumerated().map { shard, clean in
            let result = Tensor(like: clean)
            for (index, place) in range(shard, batch).enumerated() {
                result.pointer[index] = min(max(clean.pointer[index] + values[place], 0), 1)
            }
            return result
        }
    }

    /// Moves the noise of this rank's images along the sign of the gradient and back within ±epsilon; where image and noise
    /// add up to a value outside [0, 1], the noise stays: there the slope of clamping is 0, as PyTorch's `clamp` has it.
    /// - Parameter gradient: That of the images that ``applied(to:)`` returned for the batch.
    package mutating func ascend(_ gradient: [Tensor], _ batch: TrainingBatch) {
        for (shard, gradient) in gradient.enumerated() {
            let clean = batch.images[shard]
            for (index, place) in range(shard, batch).enumerated() {
                let isClamped = !(0...1).contains(clean.pointer[index] + values[place])
                let g = isClamped ? 0 : gradient.pointer[index]
                let moved = values[place] + (g > 0 ? stepSize : g < 0 ? -stepSize : 0)
                values[place] = min(max(moved, -epsilon), epsilon)
            }
        }
    }

    /// Brings all ranks' rows of a batch to every rank; collective.
    package mutating func share(_ batch: TrainingBatch) throws {
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
    package mutating func restore(_ tensors: [String: NamedTensor], from path: String) throws {
        let tensorShape = order.shapeInFiles
        guard let tensor = tensors[FreeNoise.name], tensor.shape == tensorShape,
            case .float(let outside) = tensor.values
        else {
            let found = tensors[FreeNoise.name].map { "one of \($0.shape)" } ?? "none"
            throw RunError.checkpoint(
                "\(path): expected a tensor \(FreeNoise.name) of shape \(tensorShape), found \(found)")
        }
        values = order.forMemory(outside)
    }

    private var order: ImageOrder {
        ImageOrder(images: globalBatch, height: shape.height, width: shape.width, channels: shape.channels)
    }
}
