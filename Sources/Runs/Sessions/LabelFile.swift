import Collectives
import Configuration
import Datasets
import Evaluation
import Files
import Tensors

/// The pack that `evaluate --write-labels` writes: the images of `data.extra`, each under the class that a network takes it for.
struct LabelFile {
    private let path: String
    private let images: ExtraImages
    private let origin: LabelOrigin
    private let replaces: Bool

    /// Throws where the images are not said, or the file is in the way.
    /// - Parameter mayBeThere: Whether the file may be there: to be replaced, or as an earlier invocation left it.
    static func require(_ path: String, _ configuration: RunConfiguration, mayBeThere: Bool) throws {
        guard let source = configuration.data.extra else {
            throw RunError.unusable(
                "--write-labels \(path): expected data.extra, the images to be labelled, found null")
        }
        guard mayBeThere || !FileSystem.exists(path) else {
            throw RunError.unusable("\(path) is there already; pass --force to replace it")
        }
        guard !FileSystem.exists(path) || !FileSystem.areSame(path, source) else {
            throw RunError.unusable("--write-labels: expected another file than data.extra, found \(path) for both")
        }
    }

    /// Loads the images; collective.
    /// - Parameters:
    ///   - set: What is evaluated, whose shape and classes they must have.
    ///   - weights: What tells the network from others.
    ///   - replaces: Whether a file that is there is replaced.
    init(
        _ path: String, _ configuration: RunConfiguration, beside set: ImageSet, weights: String, replaces: Bool,
        loop: ParallelLoop, _ communicator: any Communicator
    ) throws {
        self.path = path
        self.replaces = replaces
        communicator.note("the loading of images")
        let options = try configuration.data.imageFileOptions(loop, communicator)
        images = try ExtraImages(configuration.data.extra ?? "", beside: set, options: options) {
            communicator.note("the decoding of images")
        }
        origin = images.origin(weights: weights)
        try RankAgreement(["data.extra": images.set.fingerprint]).require(communicator)
    }

    /// The SHA-256 of the images.
    var digest: String { images.set.contentDigest }
    /// What a person should know of the images, a sentence each.
    var warnings: [String] { images.set.warnings }

    /// Whether the file holds the labels of this network and these images already, as rank 0 sees it; collective.
    /// - Throws: ``Files/RunError/checkpoint(_:)`` where it holds something else that is not to be replaced.
    func isThere(_ communicator: any Communicator) throws -> Bool {
        var isThere = false
        if communicator.isRoot, !replaces, FileSystem.exists(path) {
            let found = ExtraImages.labelOrigin(ofPackAt: path)
            guard found == origin else {
                throw RunError.checkpoint(
                    "\(path): expected labels by weights \(origin.weights) of images \(origin.source), found "
                        + (found.map { "labels by \($0.weights) of \($0.source)" } ?? "another file")
                        + "; pass --force to replace it")
            }
            isThere = true
        }
        return try communicator.allReduce(Int64(isThere ? 1 : 0), .max) > 0
    }

    /// Labels the images and writes the file; collective.
    /// - Parameters:
    ///   - evaluator: Passes of the network.
    ///   - say: Told what came of it, on rank 0.
    /// - Returns: Whether it was written: false where a rank was to stop before that.
    func write(_ evaluator: Evaluator, say: (String) throws -> Void) throws -> Bool {
        let set = images.set
        guard case .finished(let result) = try evaluator.run(set, Array(0..<set.count), attacks: []) else {
            return false
        }
        guard let result else { return true }
        let labels = result.perSample.map { Int32($0.cleanPrediction) }
        let file = try OutputFile(replacing: path)
        var writer = try PackWriter { try file.write($0.bytes) }
        try writer.write(set, labels: labels, from: origin)
        let digest = try file.finish()
        var counts = [Int](repeating: 0, count: set.classes)
        for label in labels { counts[Int(label)] += 1 }
        try say(
            "labels of \(set.count) images in \(path), from \(counts.min() ?? 0) to \(counts.max() ?? 0) of a class: "
                + "\(digest.bytes >> 20) MiB, SHA-256 \(digest.sha256)")
        return true
    }
}
