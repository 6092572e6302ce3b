import TestSupport
import Testing

@testable import Files
@testable import Runs

@Suite("fault drills")
struct FaultDrillTests {
    @Test("Kind, rank and step are read", arguments: ["throw", "kill", "nan", "flip", "pixel"])
    func parsing(kind: String) throws {
        let drill = try #require(FaultDrill("\(kind):3:17"))
        #expect(drill.kind.rawValue == kind && drill.rank == 3 && drill.step == 17)
    }

    @Test(
        "Anything else is no drill",
        arguments: [
            nil, "", "throw", "throw:1", "throw:1:2:3", "burn:1:2", "throw:a:2", "throw:1:b", "throw::2", "pixel:1:2:3",
        ])
    func nonsense(text: String?) {
        #expect(FaultDrill(text) == nil)
    }

    @Test("A drill happens on its rank before its step, and only there")
    func place() throws {
        let parameters = try TinyNetwork.make().parameters
        let before = Array(parameters.values)
        let version = parameters.version
        for kind in ["throw", "nan", "flip"] {
            let drill = try #require(FaultDrill("\(kind):1:2"))
            for (rank, step) in [(0, 2), (1, 1), (1, 3), (2, 2)] {
                try drill.happen(rank: rank, step: step, parameters)
            }
        }
        #expect(Array(parameters.values) == before && parameters.version == version)
        let error = #expect(throws: RunError.self) { try FaultDrill("throw:1:2")?.happen(rank: 1, step: 2, parameters) }
        #expect("\(try #require(error))".contains("before step 2 on rank 1"))
        #expect(ExitStatus(try #require(error)) == .numerical)
        try FaultDrill("flip:1:2")?.happen(rank: 1, step: 2, parameters)
        #expect(parameters.values[0].bitPattern == before[0].bitPattern ^ 1 << 20)
        #expect(Array(parameters.values.dropFirst()) == Array(before.dropFirst()))
        #expect(parameters.version > version)
        try FaultDrill("nan:1:2")?.happen(rank: 1, step: 2, parameters)
        #expect(parameters.values[0].isNaN)
        let bias = try #require(parameters.slots.first { $0.name == "fc.bias" })
        try FaultDrill("nan:1:2:fc.bias")?.happen(rank: 1, step: 2, parameters)
        #expect(parameters.values(of: bias)[0].isNaN && !parameters.values(of: bias)[1].isNaN)
        #expect(throws: RunError.self) { try FaultDrill("nan:1:2:fc")?.happen(rank: 1, step: 2, parameters) }
    }
}
