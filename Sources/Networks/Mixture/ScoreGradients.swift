/// Sums over layers of the gradient of the routing weight of every image, `[shard][image]` in the sorted order.
final class ScoreGradients {
    private(set) var perShard: [[Float]]

    init(images: [Int]) {
        perShard = images.map { [Float](repeating: 0, count: $0) }
    }

    func add(_ values: [Float], shard: Int) {
        for (image, value) in values.enumerated() { perShard[shard][image] += value }
    }
}
