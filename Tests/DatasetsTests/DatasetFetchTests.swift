import Files
import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite(
    "Fetching data sets", .serialized,
    .enabled(if: FileServer.isPossible, "needs python3, curl, tar and unzip"))
struct DatasetFetchTests {
    private let scratch: ScratchFolder
    private let server: FileServer

    init() throws {
        scratch = try ScratchFolder()
        try scratch.write("", to: "web/empty")
        server = try FileServer(scratch("web"), logIn: scratch)
    }

    private static let content = (0..<5000).map { UInt8(truncatingIfNeeded: ($0 &* $0 &* 2_654_435_761) >> 16) }

    private func run(_ program: String, _ arguments: [String]) throws {
        let (status, output) = try #require(SystemProgram(program)).run(arguments)
        #expect(status == 0, "\(output)")
    }

    private func part(_ name: String) throws -> PublishedDataset.Part {
        let digest = try FileDigest(ofFileAt: scratch("web/\(name)"))
        return .init(name, bytes: digest.bytes, sha256: digest.sha256)
    }

    /// A set of one archive with a folder of two files.
    private func archive(_ packing: PublishedDataset.Packing, folder: String = "batches") throws -> PublishedDataset {
        try scratch.write(Self.content, to: "made/batches/one.bin")
        try scratch.write("two", to: "made/batches/two.txt")
        let name = packing == .zip ? "set.zip" : "set.tar.gz"
        let path = scratch("web/\(name)")
        if packing == .zip {
            try run("python3", ["-m", "zipfile", "-c", path, scratch("made/batches")])
        } else {
            try run("tar", ["--create", "--gzip", "--file", path, "--directory", scratch("made"), "batches"])
        }
        let parts = [try part(name)]
        #expect(parts[0].digest.bytes > 2500, "too short to be cut twice")
        return PublishedDataset(
            addresses: ["http://no.such.host.invalid"], parts: parts, packing: packing, folder: folder)
    }

    private func fetch(_ published: PublishedDataset, _ manner: String) throws -> Bool {
        try DatasetFetch(.cifar10, published: published, into: scratch("data"), mirror: server.address(manner)).run()
    }

    private func expectUnpacked(_ location: SourceLocation = #_sourceLocation) throws {
        #expect(try scratch.names(in: "data") == ["batches"], sourceLocation: location)
        #expect(try scratch.names(in: "data/batches") == ["one.bin", "two.txt"], sourceLocation: location)
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: scratch("data/batches/one.bin"))))
        #expect(bytes == Self.content, sourceLocation: location)
    }

    private func failure(_ body: () throws -> Bool) throws -> String {
        var text = ""
        #expect { _ = try body() } throws: {
            text = "\($0)"
            return $0 is FetchError
        }
        return text
    }

    @Test("Archives are fetched and unpacked, once, and nothing else is left", arguments: [true, false])
    func archives(isZip: Bool) throws {
        let published = try archive(isZip ? .zip : .tar)
        #expect(try fetch(published, "plain"))
        try expectUnpacked()
        #expect(try !fetch(published, "plain"))
        #expect(server.requests.count == 1)
    }

    @Test("A transfer that is cut again and again goes on behind what it has")
    func cut() throws {
        let published = try archive(.tar)
        #expect(try fetch(published, "cut"))
        try expectUnpacked()
        let starts = stride(from: 0, to: published.parts[0].digest.bytes, by: 1000)
        #expect(server.requests == starts.map { "/cut/set.tar.gz" + ($0 == 0 ? "" : " bytes=\($0)-") })
    }

    @Test("A server without ranges is asked for the whole again")
    func deaf() throws {
        #expect(try fetch(archive(.tar), "deaf"))
        try expectUnpacked()
        #expect(server.requests == ["/deaf/set.tar.gz", "/deaf/set.tar.gz bytes=1000-", "/deaf/set.tar.gz"])
    }

    @Test("What has come stays when the server gives up, and the next call goes on there")
    func tired() throws {
        let published = try archive(.tar)
        let text = try failure { try fetch(published, "tired") }
        for phrase in ["503", "1000 of \(published.parts[0].digest.bytes) bytes are kept", "--mirror URL"] {
            #expect(text.contains(phrase), "\(text)")
        }
        #expect(try scratch.names(in: "data") == ["set.tar.gz.partial"])
        #expect(try fetch(published, "plain"))
        try expectUnpacked()
        #expect(server.requests.last == "/plain/set.tar.gz bytes=1000-")
    }

    @Test("A damaged file is removed, and the next call fetches it anew")
    func damaged() throws {
        let published = try archive(.tar)
        let text = try failure { try fetch(published, "damaged") }
        #expect(text.contains(published.parts[0].digest.sha256) && text.contains("is removed"), "\(text)")
        #expect(try scratch.names(in: "data") == [])
        #expect(try fetch(published, "plain"))
        try expectUnpacked()
    }

    @Test("Without a network it says what to bring where, and takes that, unchanged")
    func offline() throws {
        let published = try archive(.tar)
        let part = published.parts[0]
        let offline = try DatasetFetch(
            .cifar10, published: published, into: scratch("data"), mirror: "http://127.0.0.1:9/")
        let text = try failure { try offline.run() }
        for phrase in [scratch("data/set.tar.gz"), part.digest.sha256, "\(part.digest.bytes) bytes", "onnect"] {
            #expect(text.contains(phrase), "\(text)")
        }
        let brought = try scratch.write(Self.content, to: "data/set.tar.gz")
        let other = try failure { try offline.run() }
        #expect(other.contains(brought) && other.contains("left as it is"), "\(other)")
        #expect(try FileDigest(ofFileAt: brought).bytes == Self.content.count)
        try FileManager.default.removeItem(atPath: brought)
        try FileManager.default.copyItem(atPath: scratch("web/set.tar.gz"), toPath: brought)
        #expect(try offline.run())
        #expect(try scratch.names(in: "data") == ["batches", "set.tar.gz"])
        // A folder is an address too.
        let folder = try DatasetFetch(
            .cifar10, published: published, into: scratch("elsewhere"), mirror: "file://" + scratch("web"))
        #expect(try folder.run())
        #expect(scratch.exists("elsewhere/batches/two.txt"))
    }

    @Test("An archive without the expected folder is refused and leaves nothing unpacked")
    func otherFolder() throws {
        let published = try archive(.tar, folder: "elsewhere")
        let text = try failure { try fetch(published, "plain") }
        #expect(text.contains("there is no elsewhere in it"), "\(text)")
        #expect(try scratch.names(in: "data") == ["set.tar.gz.partial"])
    }

    @Test("Files that need no unpacking get their names once they are whole; only what is missing is fetched")
    func parts() throws {
        try scratch.write(Self.content, to: "web/a.gz")
        try scratch.write("b", to: "web/b.gz")
        let published = PublishedDataset(
            addresses: [server.address("tired/no/such"), server.address("plain")],
            parts: [try part("a.gz"), try part("b.gz")],
            packing: .none, folder: "mnist")
        // The first address has none of them.
        let fetch = try DatasetFetch(.mnist, published: published, into: scratch("data"))
        #expect(fetch.folder == scratch("data/mnist"))
        #expect(try fetch.run())
        #expect(try scratch.names(in: "data/mnist") == ["a.gz", "b.gz"])
        try FileManager.default.removeItem(atPath: scratch("data/mnist/b.gz"))
        #expect(try fetch.run())
        #expect(try !fetch.run())
        #expect(server.requests.filter { $0.contains("/plain/") } == ["/plain/a.gz", "/plain/b.gz", "/plain/b.gz"])
    }

    @Test("Every published file has an address of its own, a size and a SHA-256")
    func table() throws {
        let sets = DatasetName.allCases.compactMap(\.published)
        #expect(sets.count == 5)
        let parts = sets.flatMap(\.parts)
        #expect(Set(parts.map(\.digest.sha256)).count == parts.count)
        for part in parts {
            #expect(part.digest.sha256.count == 64 && part.digest.sha256.allSatisfy(\.isHexDigit), "\(part.name)")
            #expect(part.digest.bytes > 4000)
        }
        for set in sets { #expect(!set.addresses.isEmpty && set.addresses.allSatisfy { $0.hasPrefix("http") }) }
        #expect { _ = try DatasetFetch(.synthetic, into: "x") } throws: {
            "\($0)".contains("expected cifar10, cifar100")
        }
        #expect { _ = try DatasetFetch(.mnist, into: "x", mirror: "-x") } throws: { "\($0)".contains("file://") }
    }
}
