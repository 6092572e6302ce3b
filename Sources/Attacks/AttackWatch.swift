import Tensors

/// What an attack met on its way, image by image, seen from its calls to the model.
///
/// The attack itself knows nothing of it: ``WatchedTarget`` stands between the two.
public final class AttackWatch {
    /// What became of one image.
    public struct Path: Equatable, Sendable {
        /// The objective at every gradient that was asked for, in their order, over all restarts.
        public var losses: [Double] = []
        /// Whether the first gradient that was asked for was 0 in every channel of every pixel.
        public var startsFlat = false
        /// Whether the model that was attacked gave a wrong class at any point of the way.
        public var wasFooled = false
        /// Whether the model was asked about any other image than the clean one.
        public var hasMoved = false

        /// Nothing happened yet.
        public init() {}
    }

    /// `[shard][image]`, in the order of the batch that was attacked.
    public private(set) var paths: [[Path]]
    private let clean: [Tensor]

    /// Makes a watch over a batch.
    public init(_ batch: AttackBatch) {
        clean = batch.images
        paths = batch.labels.map { [Path](repeating: Path(), count: $0.count) }
    }

    /// Takes note of a call.
    /// - Parameters:
    ///   - places: Where the images of the call stand in the batch, `[shard][image]`.
    ///   - losses: The objective, and `gradient` its gradient, where they were asked for.
    fileprivate func note(
        _ images: [Tensor], _ outputs: [ModelOutputs], labels: [[Int32]], places: [[Int]], losses: [[Double]]? = nil,
        gradient: [Tensor]? = nil
    ) {
        for shard in outputs.indices {
            let predictions = CrossEntropy.predictions(outputs[shard].logits)
            for (image, place) in places[shard].enumerated() {
                if predictions[image] != labels[shard][image] { paths[shard][place].wasFooled = true }
                if !paths[shard][place].hasMoved {
                    paths[shard][place].hasMoved = !images[shard].isEqual(image, to: clean[shard], place)
                }
                guard let losses, let gradient else { continue }
                if paths[shard][place].losses.isEmpty {
                    paths[shard][place].startsFlat = gradient[shard].isZero(image)
                }
                paths[shard][place].losses.append(losses[shard][image])
            }
        }
    }
}

/// A model that is watched while it is attacked: it answers as the model does.
public struct WatchedTarget<Base: AttackTarget>: AttackTarget {
    private var base: Base
    private let watch: AttackWatch
    private var labels: [[Int32]]
    /// Where the images of the calls stand in the batch that is watched, `[shard][image]`.
    private var places: [[Int]]

    /// Makes the target.
    /// - Parameters:
    ///   - watch: Made for `batch`; every call is noted there.
    ///   - batch: The images that are attacked.
    public init(_ base: Base, _ watch: AttackWatch, _ batch: AttackBatch) {
        self.base = base
        self.watch = watch
        labels = batch.labels
        places = batch.labels.map { Array($0.indices) }
    }

    /// See ``AttackTarget``.
    public func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) throws -> [ModelOutputs] {
        let outputs = try base.outputs(images, readsRouters: readsRouters, draw: draw)
        watch.note(images, outputs, labels: labels, places: places)
        return outputs
    }

    /// See ``AttackTarget``.
    public func outputsAndInputGradient(
        _ images: [Tensor], _ objective: any Objective, draw: Int
    ) throws -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) {
        let result = try base.outputsAndInputGradient(images, objective, draw: draw)
        watch.note(
            images, result.outputs, labels: labels, places: places, losses: result.values.map(\.losses),
            gradient: result.gradient)
        return result
    }

    /// See ``AttackTarget``.
    public func selecting(_ images: [[Int]]) -> WatchedTarget {
        var some = self
        some.base = base.selecting(images)
        some.labels = labels.selecting(images)
        some.places = places.selecting(images)
        return some
    }
}

extension Tensor {
    /// Whether an image is the same as another one's.
    fileprivate func isEqual(_ image: Int, to other: Tensor, _ place: Int) -> Bool {
        let (own, others) = (pointer + image * imageSize, other.pointer + place * imageSize)
        return (0..<imageSize).allSatisfy { own[$0] == others[$0] }
    }

    /// Whether every element of an image is 0.
    fileprivate func isZero(_ image: Int) -> Bool {
        (image * imageSize..<(image + 1) * imageSize).allSatisfy { pointer[$0] == 0 }
    }
}
