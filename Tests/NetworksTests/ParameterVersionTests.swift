import Testing

@testable import Networks

@Suite("Versions of parameters")
struct ParameterVersionTests {
    private func subject() throws -> (parameters: Parameters, backbone: Slot, router: Slot) {
        let parameters = try TestNetwork(NetworkCase(kind: .conv)).parameters
        func slot(_ group: ParameterGroup) throws -> Slot {
            try #require(parameters.slots.first { $0.group == group && !$0.isStatistic })
        }
        return (parameters, try slot(.backbone), try slot(.router))
    }

    @Test("a change of one group, or of statistics alone, leaves prepared filters of others as they are")
    func groupsChangeApart() throws {
        let (parameters, backbone, router) = try subject()
        func versions() -> [Int] {
            [parameters.version, parameters.version(of: backbone), parameters.version(of: router)]
        }
        var last = versions()
        func changed(by groups: Set<ParameterGroup>) -> [Bool] {
            parameters.update(groups) { _ in }
            defer { last = versions() }
            return zip(versions(), last).map { $0 > $1 }
        }
        #expect(changed(by: []) == [true, false, false])
        #expect(changed(by: [.router]) == [true, false, true])
        #expect(changed(by: [.backbone]) == [true, true, false])
        parameters.update { _ in }
        #expect(zip(versions(), last).allSatisfy { $0 > $1 })
    }
}
