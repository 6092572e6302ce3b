import Configuration
import Datasets
import Evaluation
import Files
import Foundation
import Tensors

/// What an evaluation has finished, in a file of its directory: one that was ended, by whatever, goes on from there.
///
/// The file appears with the first finished chunk. Rank zero alone has one.
final class UnfinishedEvaluation: ChunkStore {
    /// What is evaluated; chunks of another evaluation are of no use.
    struct Identity: Codable, Equatable {
        static let formatVersion = 1

        var formatVersion = Identity.formatVersion
        /// The settings that results depend on.
        var settings: [String: String]
        /// The SHA-256 of the files that hold the weights, and what is kept beside them.
        var weights: [String]
        /// The SHA-256 of what attacks are made with beside the network: other weights, and images.
        var material: [String]
        /// How many images, and the SHA-256 of the pixels and labels of the set, and of their indices in it.
        var images: Int
        var imagesSHA256: String
        var indicesSHA256: String
        /// The mixture layers whose experts are evaluated one by one, if any are.
        var layers: [String]?

        /// How this differs from what was begun, in words, one line each; empty where it does not.
        func differences(from begun: Identity) -> [String] {
            if formatVersion != begun.formatVersion {
                return ["format: expected \(formatVersion), found \(begun.formatVersion)"]
            }
            func line(_ name: String, _ expected: String?, _ found: String?) -> String? {
                expected == found
                    ? nil : "\(name): it was begun with \(expected ?? "none"), now there is \(found ?? "none")"
            }
            let keys = Set(settings.keys).union(begun.settings.keys).sorted()
            return keys.compactMap { line($0, begun.settings[$0], settings[$0]) }
                + [
                    line("weights", begun.weights.joined(separator: " "), weights.joined(separator: " ")),
                    line("what attacks need", begun.material.joined(separator: " "), material.joined(separator: " ")),
                    line("images", "\(begun.images)", "\(images)"),
                    line("SHA-256 of the images", begun.imagesSHA256, imagesSHA256),
                    line("SHA-256 of the images' indices", begun.indicesSHA256, indicesSHA256),
                    line("--layer", begun.layers?.joined(separator: " "), layers?.joined(separator: " ")),
                ].compactMap { $0 }
        }
    }

    /// The first record of the file.
    private struct Beginning: Codable {
        let identity: Identity
        /// The bytes of the log when the evaluation began.
        let logBytes: Int
        let blasKernel: String
    }

    /// Every other record.
    private struct Finished: Codable {
        let part: String
        let chunk: EvaluationChunk
    }

    private let directory: RunDirectory
    private let beginning: Beginning
    private var chunks: [String: [EvaluationChunk]] = [:]
    private var log: RecordLog?

    /// The bytes of the log when the evaluation began.
    var logBytes: Int { beginning.logBytes }
    /// Whether there is anything finished to go on from.
    var hasChunks: Bool { log != nil }
    /// The BLAS kernel that finished chunks were computed with, where it is another one than now.
    var otherKernel: String? { beginning.blasKernel == MatrixProduct.kernelName ? nil : beginning.blasKernel }

    /// Begins anew; what the directory has of another evaluation is replaced with the first chunk.
    init(_ directory: RunDirectory, _ identity: Identity) {
        self.directory = directory
        beginning = Beginning(
            identity: identity, logBytes: directory.logBytes, blasKernel: MatrixProduct.kernelName)
    }

    /// Goes on with what the directory has.
    ///
    /// - Throws: ``RunError/checkpoint(_:)`` where that is of another evaluation, naming what was expected and found.
    init(resuming directory: RunDirectory, _ identity: Identity) throws {
        self.directory = directory
        let path = directory.file(RunDirectory.unfinishedName)
        let (records, bytes) = try RecordLog.read(path)
        do {
            guard let first = records.first else {
                throw RunError.checkpoint("\(path): expected the beginning of an evaluation, found none")
            }
            beginning = try JSONDecoder().decode(Beginning.self, from: Data(first))
            let differences = identity.differences(from: beginning.identity)
            guard differences.isEmpty else {
                throw RunError.checkpoint(
                    "\(path): this evaluation cannot go on with what another one has finished; --force begins anew:\n  "
                        + differences.joined(separator: "\n  "))
            }
            for record in records.dropFirst() {
                let finished = try JSONDecoder().decode(Finished.self, from: Data(record))
                chunks[finished.part, default: []].append(finished.chunk)
            }
        } catch let error as DecodingError {
            throw RunError.checkpoint("\(path): expected chunks of an evaluation, found \(error)".printableLine)
        }
        log = try RecordLog(continuing: path, at: bytes)
    }

    func finished(_ part: String) -> [EvaluationChunk] {
        var known: Set<Int> = []
        return (chunks[part] ?? []).filter { known.insert($0.chunk).inserted }
    }

    func keep(_ part: String, _ chunk: EvaluationChunk) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let log =
            try self.log
            ?? RecordLog(
                creating: directory.file(RunDirectory.unfinishedName), first: Array(try encoder.encode(beginning)))
        self.log = log
        try log.append(Array(try encoder.encode(Finished(part: part, chunk: chunk))))
    }

    /// Removes what was kept.
    func remove() throws {
        log = nil
        try directory.removeUnfinished()
    }
}

extension RunConfiguration {
    /// What tells an evaluation with this configuration from others.
    ///
    /// - Parameters:
    ///   - weights: The SHA-256 of the files that hold them.
    ///   - material: The SHA-256 of what attacks are made with beside the network.
    ///   - layers: The mixture layers whose experts are evaluated one by one, if any are.
    func evaluationIdentity(
        weights: [String], material: [String] = [], _ set: ImageSet, _ indices: [Int], layers: [String]? = nil
    ) -> UnfinishedEvaluation.Identity {
        var digest = ContentDigest()
        indices.map { Int64($0).littleEndian }.withUnsafeBytes { digest.append($0) }
        return UnfinishedEvaluation.Identity(
            settings: evaluationLeaves, weights: weights, material: material, images: indices.count,
            imagesSHA256: set.contentDigest, indicesSHA256: digest.hexadecimal, layers: layers)
    }
}
