import Datasets
import Networks
import Testing

@testable import Configuration

@Suite("Presets")
struct PresetTests {
    @Test(
        "Each draws first weights as its reference does, baselines without experts included",
        arguments: [
            ("robust-sparse-moes", Initialization.robustSparseMoEs), ("advmoe-paper", .advmoe),
            ("advmoe-code", .advmoe),
        ])
    func initialization(_ preset: String, _ expected: Initialization) throws {
        let baseline = ["moe.kind=none", "training.method=standard"]
        for settings in [[], baseline] {
            let run = try RunConfiguration.resolve(
                layers: (["preset=\(preset)"] + settings).map { ConfigurationLayer(override: $0) })
            #expect(run.networkSettings(DatasetName.cifar10.traits).initialization == expected)
        }
        #expect(RunConfiguration().networkSettings(DatasetName.cifar10.traits).initialization == .pytorch)
    }
}
