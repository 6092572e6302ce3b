import Tensors

/// Where a model stops preferring the labels of the images of one shard to other classes, as slopes at points say it.
struct Boundary {
    /// By how much the other class is ahead of the label at each image's point, in logits.
    var differences: [Double]
    /// The gradient of the differences.
    let gradient: Tensor

    /// Takes over another boundary for images to which it is nearer.
    mutating func takeNearer(_ other: Boundary, _ norm: PerturbationBall.Norm) {
        for image in 0..<gradient.images where other.distance(image, norm) < distance(image, norm) {
            differences[image] = other.differences[image]
            gradient.copyImage(image, from: other.gradient)
        }
    }

    /// How far the hyperplane is from an image's point, borders aside.
    private func distance(_ image: Int, _ norm: PerturbationBall.Norm) -> Double {
        abs(differences[image]) / (1e-12 + Double(ImageVector(gradient, image: image).dualLength(norm)))
    }
}

/// FAB's search over the images of one shard, all of which are right.
struct BoundarySearch {
    private let norm: PerturbationBall.Norm
    private let center: Tensor
    private let x: Tensor
    /// The nearest wrong point of each image so far, and how far it is; the image, infinitely far, where there is none.
    private let nearest: Tensor
    private var distances: [Float]

    /// Begins a search at `x`, which it moves.
    init(from x: Tensor, around center: Tensor, _ norm: PerturbationBall.Norm) {
        self.norm = norm
        self.center = center
        self.x = x
        nearest = center.duplicate()
        distances = [Float](repeating: .infinity, count: center.images)
    }

    /// Whether no wrong point of each image was found in the ball.
    func isOutside(_ epsilon: Float) -> [Bool] { distances.map { $0 > epsilon } }

    /// The nearest wrong points, and the clean images of those that have none in the ball.
    func images(within epsilon: Float) -> Tensor {
        let result = nearest.duplicate()
        for image in 0..<result.images where distances[image] > epsilon { result.copyImage(image, from: center) }
        return result
    }

    /// Moves every image to the boundary and a little beyond.
    ///
    /// The nearest points of it to x and to the clean image are mixed by how far each is from what it is nearest to.
    func approach(_ boundary: Boundary) {
        let count = x.imageSize
        let projection = HyperplaneProjection(norm: norm, count: count)
        let scratchCount = projection.scratchCount + 2 * count
        x.workspace.withScratch(x.workspace.loop.threads * scratchCount) { memory in
            x.workspace.loop(x.images) { worker, image in
                let scratch = memory + worker * scratchCount
                let step = scratch + projection.scratchCount
                let cleanStep = step + count
                let (here, clean) = (ImageVector(x, image: image), ImageVector(center, image: image))
                let weights = ImageVector(boundary.gradient, image: image)
                let excess = boundary.differences[image]
                let way = projection.project(
                    here.pointer, along: weights.pointer, excess: excess, into: step, scratch: scratch)
                let cleanWay = projection.project(
                    clean.pointer, along: weights.pointer,
                    excess: excess + Double(weights.product(clean, minus: here)), into: cleanStep, scratch: scratch)
                let (length, cleanLength) = (max(way, 1e-8), max(cleanWay, 1e-8))
                let bias = min(length / (length + cleanLength), FastAdaptiveBoundary.largestBias)
                let point = x.pointer + image * count
                let overshoot = FastAdaptiveBoundary.overshoot
                for index in 0..<count {
                    let beyond = point[index] + overshoot * step[index]
                    let cleanBeyond = clean.pointer[index] + overshoot * cleanStep[index]
                    point[index] = min(max((1 - bias) * beyond + bias * cleanBeyond, 0), 1)
                }
            }
        }
    }

    /// Keeps points that are wrong and nearer than those before, and goes back from wrong ones towards the clean image.
    mutating func arrive(_ isRight: [Bool]) {
        let count = x.imageSize
        for image in 0..<x.images where !isRight[image] {
            let distance = ImageVector(x, image: image).distance(to: ImageVector(center, image: image), norm)
            if distance < distances[image] {
                distances[image] = distance
                nearest.copyImage(image, from: x)
            }
            let (point, clean) = (x.pointer + image * count, center.pointer + image * count)
            for index in 0..<count {
                point[index] = clean[index] + FastAdaptiveBoundary.backward * (point[index] - clean[index])
            }
        }
    }
}
