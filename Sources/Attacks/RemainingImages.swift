import Tensors

/// The images of a batch that a model still gets right: a list of searches is run on them, and each only on those that the
/// ones before it have left.
///
/// Images that are wrong when clean are in none of them, as in AutoAttack.
struct RemainingImages {
    /// The result so far, one tensor a shard: clean images, and what replaced them.
    let images: [Tensor]
    /// The places of the images that are still right, `[shard][…]`.
    private(set) var places: [[Int]]
    private let batch: AttackBatch

    /// Begins with the images of a batch that are right.
    /// - Parameter outputs: What the model gives for the clean images.
    init(_ batch: AttackBatch, _ outputs: [ModelOutputs]) {
        self.batch = batch
        images = batch.images.map { $0.duplicate() }
        places = zip(outputs, batch.labels).map { outputs, labels in
            let predictions = CrossEntropy.predictions(outputs.logits)
            return labels.indices.filter { predictions[$0] == labels[$0] }
        }
    }

    /// Whether none is left.
    var isEmpty: Bool { places.allSatisfy(\.isEmpty) }

    /// Runs a search on the images that are left, if there are any, and takes its images over: those that fool the model
    /// for good, others until a later search has something for them.
    ///
    /// - Parameter search: Gets the batch of these images alone, and an inquiry about them; its result says how the model
    ///   fares on it.
    mutating func attack<Target: AttackTarget>(
        _ inquiry: inout Inquiry<Target>,
        search: (AttackBatch, inout Inquiry<Target>) throws -> (images: [Tensor], isCorrect: [[Bool]])
    ) rethrows {
        guard !isEmpty else { return }
        let some = batch.selecting(places)
        let result = try inquiry.selecting(places) { try search(some, &$0) }
        for shard in places.indices {
            for (row, place) in places[shard].enumerated() {
                images[shard].slice(place..<place + 1).copy(from: result.images[shard].slice(row..<row + 1))
            }
            places[shard] = zip(places[shard], result.isCorrect[shard]).filter(\.1).map(\.0)
        }
    }
}
