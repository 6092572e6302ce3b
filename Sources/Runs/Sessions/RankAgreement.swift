import Collectives
import Configuration
import Files
import Foundation

/// What all ranks of a job must have in common before they compute together: each reads files and settings of its own.
struct RankAgreement {
    private var values: [String: String]
    private let status: (String) -> any Error

    /// The settings, but for what may differ from host to host: where the images lie, and threads.
    init(settingsOf configuration: RunConfiguration) {
        values = configuration.leaves(except: ["data.path", "distributed.threads"])
        status = { RunError.unusable("ranks were started with different settings: \($0)") }
    }

    /// The program and what it works on.
    /// - Parameter values: What is to be the same, by name.
    init(_ values: [String: String]) {
        self.values = values
        status = { RunError.replicasDiffer("ranks differ in what they compute with: \($0)") }
    }

    /// The version of the program, and the SHA-256 of its file.
    static let program: [String: String] = {
        let file = try? FileDigest(ofFileAt: "/proc/self/exe")
        return ["program": "version \(Version.current), \(file?.sha256.prefix(12) ?? "unknown")"]
    }()

    /// One rank's values, as rank 0 gets them.
    private struct Entry: Codable {
        let host: String
        let values: [String: String]
    }

    /// Throws, on every rank, where a rank differs from rank 0, naming what, and which ranks on which hosts; collective.
    func require(_ communicator: any Communicator) throws {
        let own = try JSONEncoder().encode(Entry(host: communicator.hostName, values: values))
        let gathered = try communicator.gather(Array(own), to: 0)
        let entries = try gathered.map { try JSONDecoder().decode(Entry.self, from: Data($0)) }
        let found = try TrainingSession.shared(Self.difference(entries), communicator)
        if !found.isEmpty { throw status(found) }
    }

    /// The values in which ranks differ from the first, in words; empty where there are none.
    private static func difference(_ entries: [Entry]) -> String {
        guard let first = entries.first else { return "" }
        let names = Set(entries.flatMap(\.values.keys)).sorted()
        let differing = names.filter { name in entries.contains { $0.values[name] != first.values[name] } }
        let sentences = differing.prefix(5).map { name in
            let others = entries.enumerated().filter { $0.element.values[name] != first.values[name] }
            let few = others.prefix(4).map { rank, entry in
                "\(entry.values[name] ?? "absent") on rank \(rank) (\(entry.host))"
            }
            return
                "\(name) is \(first.values[name] ?? "absent") on rank 0 (\(first.host)), \(few.joined(separator: ", "))"
                + (others.count > 4 ? " and \(others.count - 4) ranks more" : "")
        }
        return sentences.joined(separator: "; ") + (differing.count > 5 ? "; and \(differing.count - 5) more" : "")
    }
}
