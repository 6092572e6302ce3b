import Datasets
import Networks
import Testing

@testable import Configuration
@testable import Files
@testable import Runs

@Suite("Networks larger than the machine")
struct NetworkMemoryTests {
    @Test("a network whose weights do not fit is refused with its size, before anything is allocated")
    func memory() throws {
        var configuration = RunConfiguration()
        configuration.model.width = 8192
        let settings = configuration.networkSettings(configuration.data.dataset.traits)
        let count = try Network.slots(settings).reduce(0) { $0 + $1.count }
        #expect(count > 1 << 37)
        let error = #expect(throws: RunError.self) { try settings.requireMemory(count * 4 - 1) }
        let text = "\(try #require(error))"
        #expect(text.contains("\(count) parameters, \(count * 4 >> 20) MiB") && error?.exitStatus == .usage)
        try settings.requireMemory(count * 4)
        #expect(throws: RunError.self) {
            _ = try configuration.networkSettings(configuration.data.dataset.traits, own: nil)
        }
    }

    @Test("a network beyond a tebibyte of numbers, or with sizes that none has, is no network")
    func limits() throws {
        var settings = RunConfiguration().networkSettings(DatasetName.cifar10.traits)
        func refusal() -> String? {
            do {
                _ = try Network.slots(settings)
                return nil
            } catch { return (error as? NetworkError)?.description }
        }
        for (width, ratio, classes) in [(0, 1, 10), (Int.max, 1, 10), (64, 0, 10), (64, .nan, 10), (64, 1, .max)] {
            settings.width = width
            settings.ratio = ratio
            settings.classes = classes
            #expect(refusal()?.contains("found ") == true)
        }
        settings.width = 8192
        settings.classes = 10
        settings.ratio = 1
        #expect(refusal() == nil)
        settings.architecture = ArchitectureName.wideResnet101.layers
        settings.blocks = ArchitectureName.wideResnet101.blocks
        #expect(refusal()?.contains("parameters, expected at most 274877906944") == true)
    }
}
