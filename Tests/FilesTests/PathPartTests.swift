import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("Parts of paths")
struct PathPartTests {
    @Test(
        "a path's directory and last name are those of POSIX's dirname and basename",
        arguments: [
            ("a", ".", "a"), ("a/", ".", "a"), ("a//", ".", "a"), ("a/b", "a", "b"), ("a/b/", "a", "b"),
            ("a//b", "a", "b"), ("/", "/", "/"), ("///", "/", "/"), ("/a", "/", "a"), ("/a/", "/", "a"),
            ("//a", "/", "a"), ("/a/b", "/a", "b"), (".", ".", "."), ("..", ".", ".."), ("./a", ".", "a"),
            ("", ".", "."),
            ("é", ".", "é"), ("é/a", "é", "a"), ("a/é", "a", "é"), ("/é", "/", "é"), ("a/\u{301}b", "a", "\u{301}b"),
        ])
    func parts(path: String, parent: String, last: String) {
        #expect(Array(FileSystem.parent(of: path).utf8) == Array(parent.utf8))
        #expect(Array(FileSystem.lastComponent(of: path).utf8) == Array(last.utf8))
    }

    @Test("all paths of up to five of these letters have the parts that the C library finds")
    func allShortPaths() {
        var paths = [""]
        for _ in 0..<5 { paths += paths.flatMap { path in ["/", ".", "a", "é"].map { path + $0 } } }
        // Two slashes in front, and no more, may mean something of its own to POSIX; here they are one.
        for path in Set(paths) where !path.hasPrefix("//") {
            let (first, second) = (strdup(path), strdup(path))
            defer {
                free(first)
                free(second)
            }
            #expect(FileSystem.parent(of: path) == String(cString: dirname(first)), "\(path)")
            #expect(FileSystem.lastComponent(of: path) == String(cString: __xpg_basename(second)), "\(path)")
        }
    }

    @Test("names are joined by one slash, and an empty directory is the working one")
    func join() {
        #expect(FileSystem.join("a", "b") == "a/b" && FileSystem.join("a/", "b") == "a/b")
        #expect(FileSystem.join("", "b") == "b" && FileSystem.join("/", "b") == "/b")
    }

    @Test("a plain name is one name that can be shown")
    func plainNames() {
        for name in ["a", "kind=a,b", "é", "a b", String(repeating: "a", count: 255)] {
            #expect(FileSystem.isPlainName(name))
        }
        let others = ["", ".", "..", "a/b", "/", "../a", "a\0b", "a\nb", "\u{1b}[2J", "a\u{202E}b", "a\u{85}"]
        for name in others + [String(repeating: "a", count: 256)] { #expect(!FileSystem.isPlainName(name)) }
    }

    @Test("two paths are the same where they lead to the same place")
    func same() throws {
        let scratch = try ScratchFolder()
        try scratch.write("x", to: "a/file")
        try FileManager.default.createSymbolicLink(atPath: scratch("link"), withDestinationPath: scratch("a"))
        #expect(FileSystem.areSame(scratch("a"), scratch("./a/")) && FileSystem.areSame(scratch("link"), scratch("a")))
        #expect(
            !FileSystem.areSame(scratch("a"), scratch("a/file")) && !FileSystem.areSame(scratch("no"), scratch("no")))
    }

    @Test("a path of more names than the system takes is refused, not gone into")
    func tooLong() throws {
        let scratch = try ScratchFolder()
        let path = scratch(String(repeating: "a/", count: 60_000))
        #expect(throws: FileSystemError.self) { try FileSystem.createDirectory(path) }
        #expect(try scratch.names().isEmpty)
        try FileSystem.createDirectory(scratch("b/c/d"))
        #expect(FileSystem.isDirectory(scratch("b/c/d")))
    }

    @Test("the beginning of a file is no more than what was asked for")
    func beginning() throws {
        let scratch = try ScratchFolder()
        try scratch.write("abcdef", to: "file")
        #expect(try FileSystem.beginning(of: scratch("file"), atMost: 4) == Array("abcd".utf8))
        #expect(try FileSystem.beginning(of: scratch("file"), atMost: 9) == Array("abcdef".utf8))
        #expect(try FileSystem.beginning(of: "/dev/zero", atMost: 100_000).count == 100_000)
        #expect(throws: FileSystemError.self) { try FileSystem.beginning(of: scratch.path, atMost: 4) }
    }
}
