import Foundation
import Testing

/// The code that the pages of the documentation show is code that is built: examples are files of the tests, and what names
/// them is shown by lines of the sources.
@Suite("Documentation")
struct DocumentationTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../..").standardizedFileURL
    private static let catalogue = root.appendingPathComponent("Sources/Documentation.docc")
    /// The pages that show code.
    private static let pages = [
        "AddingADataSet", "AddingAKindOfExpert", "AddingARouter", "AddingATrainingMethod", "AddingAnAttack",
    ]

    /// A block of code, and the file that the text before it names last.
    private struct Block {
        let file: String
        var lines: [String] = []
    }

    private static func lines(_ file: URL) throws -> [String] {
        try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
    }

    private func blocks(_ page: String) throws -> [Block] {
        var file = ""
        var open: Block?
        var blocks: [Block] = []
        for line in try Self.lines(Self.catalogue.appendingPathComponent("\(page).md")) {
            if let block = open {
                if line == "```" {
                    blocks.append(block)
                    open = nil
                } else {
                    open?.lines.append(line)
                }
            } else if line == "```swift" {
                open = Block(file: file)
            } else {
                for match in line.matches(of: #/`((?:Sources|Tests)/[A-Za-z0-9+/]+\.swift)`/#) {
                    file = String(match.1)
                }
            }
        }
        return blocks
    }

    /// A file as it would stand in its module, which does not import itself.
    private func inModule(_ lines: [String]) -> [String] {
        var result: [String] = []
        for line in lines where !line.hasPrefix("@testable import") {
            if !line.isEmpty || !(result.last ?? "").isEmpty { result.append(line) }
        }
        while result.last?.isEmpty == true { result.removeLast() }
        return result
    }

    @Test("an example is its file, whole", arguments: pages)
    func examples(_ page: String) throws {
        let examples = try blocks(page).filter { $0.file.hasPrefix("Tests/") }
        let block = try #require(examples.first)
        #expect(examples.count == 1)
        let file = try inModule(Self.lines(Self.root.appendingPathComponent(block.file)))
        #expect(block.lines == file, "\(page) and \(block.file) differ")
    }

    @Test("what is shown of the sources stands there, in that order", arguments: pages)
    func excerpts(_ page: String) throws {
        let excerpts = try blocks(page).filter { $0.file.hasPrefix("Sources/") }
        #expect(!excerpts.isEmpty)
        for block in excerpts {
            let file = try Self.lines(Self.root.appendingPathComponent(block.file))
            var place = 0
            for piece in block.lines.split(separator: "// ...") {
                let piece = Array(piece)
                let found = file.indices.dropFirst(place).first { file[$0...].starts(with: piece) }
                guard let found else {
                    Issue.record("\(page): not in \(block.file):\n\(piece.joined(separator: "\n"))")
                    break
                }
                place = found + piece.count
            }
        }
    }

    @Test("every page with code is looked at, and what pages call files is there")
    func files() throws {
        let all = try FileManager.default.contentsOfDirectory(atPath: Self.catalogue.path)
        #expect(!all.isEmpty)
        for name in all.sorted() where name.hasSuffix(".md") {
            let text = try Self.lines(Self.catalogue.appendingPathComponent(name)).joined(separator: "\n")
            #expect(text.contains("```swift") == Self.pages.contains { name == "\($0).md" }, "\(name)")
            for match in text.matches(of: #/`((?:Sources|Tests|launch|results)/[A-Za-z0-9+/._-]+)`/#) {
                let path = Self.root.appendingPathComponent(String(match.1)).path
                #expect(FileManager.default.fileExists(atPath: path), "\(name): \(match.1)")
            }
        }
    }

    @Test("a ratio that is told of peers is one of the results' pages")
    func ratios() throws {
        let text = { (path: String) in try Self.lines(Self.root.appendingPathComponent(path)).joined(separator: "\n") }
        let pages = try ["benchmarks", "autoattack"].map { try text("results/\($0)/README.md") }
        let told = try text("Sources/Documentation.docc/MeasuredAgainstPeers.md")
            .matches(of: #/[0-9.]+ \[[0-9.]+, [0-9.]+\]/#).map { String($0.0) }
        #expect(told.count > 10)
        for ratio in told { #expect(pages.contains { $0.contains(ratio) }, "\(ratio)") }
    }
}
