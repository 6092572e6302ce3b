import Tensors

/// This rank's part of a step's batch.
package struct TrainingBatch {
    /// Images, NHWC in [0, 1], one tensor a shard.
    package let images: [Tensor]
    /// Their classes, `[shard][image]`.
    package let labels: [[Int32]]
    /// Their indices in the data set, `[shard][image]`.
    package let samples: [[Int]]
    /// Images of the batch over all ranks, by which losses are divided.
    package let globalSize: Int

    /// Makes a batch; see the properties.
    package init(images: [Tensor], labels: [[Int32]], samples: [[Int]], globalSize: Int) {
        self.images = images
        self.labels = labels
        self.samples = samples
        self.globalSize = globalSize
    }

    /// Whether every pixel is a finite number.
    var isFinite: Bool { images.allSatisfy { $0.elements.allSatisfy(\.isFinite) } }

    /// The images of the one shard in parts of at most `size`, at least one part, if an empty one.
    func parts(of size: Int) -> [TrainingBatch] {
        let count = images[0].images
        return stride(from: 0, to: max(1, count), by: size).map { start in
            let range = start..<min(count, start + size)
            return TrainingBatch(
                images: [images[0].slice(range)], labels: [Array(labels[0][range])],
                samples: [Array(samples[0][range])], globalSize: globalSize)
        }
    }
}
