import Foundation
import Files
import Testing

@testable import Runs

@Suite("Hostfiles")
struct HostListTests {
    private func hosts(_ text: String) throws -> [HostList.Host] { try HostList(text: text, origin: "mine").hosts }

    @Test("Open MPI's dialect: slots, other words, users, comments, empty lines")
    func openMPI() throws {
        let found = try hosts(
            "# nodes\n\nnode01 slots=2 max_slots=4\n  me@node02\tslots=8 # the wide one\nnode03 max_slots=9\n10.0.0.7\n"
        )
        #expect(
            found == [
                .init(name: "node01", slots: 2), .init(name: "node02", slots: 8), .init(name: "node03", slots: nil),
                .init(name: "10.0.0.7", slots: nil),
            ])
    }

    @Test("MPICH's dialect: counts behind a colon, bindings, addresses of version 6")
    func hydra() throws {
        let found = try hosts("node01:4\nnode02:2 binding=user:0,1\n[fe80::1]:3\nfe80::2\nnode03\n")
        #expect(
            found == [
                .init(name: "node01", slots: 4), .init(name: "node02", slots: 2), .init(name: "fe80::1", slots: 3),
                .init(name: "fe80::2", slots: nil), .init(name: "node03", slots: nil),
            ])
    }

    @Test("lines that repeat a host without counts are its slots")
    func repeated() throws {
        #expect(
            try hosts("b\na\nb\nb\n") == [.init(name: "b", slots: 3), .init(name: "a", slots: nil)])
    }

    @Test("the hostfiles of the project can be read", arguments: ["local", "two-nodes.example"])
    func ours(_ name: String) throws {
        let root = #filePath.components(separatedBy: "/Tests/")[0]
        #expect(try HostList(file: "\(root)/hostfiles/\(name)").hosts.allSatisfy { $0.slots == 2 })
    }

    @Test(
        "a mistake names its line, what was found and what was expected",
        arguments: [
            ("a\nb slots=0\n", "mine:2: found slots=0"), ("a:0\n", "mine:1: found a:0"), ("a:x", "found a:x"),
            ("a slots\n", "found slots"), ("a:2 slots=2", "found slots=2"), ("slots=2", "found slots=2"),
            ("a slots=2\nb\na slots=2\n", "mine:3: a stands on line 1 already"),
            ("a:2\na\n", "mine:2: a stands on line 1"),
            ("a\na:2\n", "mine:2: a stands on line 1"),
            ("# nothing\n\n", "mine: expected a host on each line, found none"),
        ])
    func mistakes(_ text: String, _ phrase: String) {
        do {
            _ = try hosts(text)
            Issue.record("\(text) was read")
        } catch {
            #expect("\(error)".contains(phrase), "\(error)")
            #expect(ExitStatus(error) == .usage)
        }
    }
}
