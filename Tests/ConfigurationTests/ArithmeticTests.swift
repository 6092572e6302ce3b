import Tensors
import Testing

@testable import Configuration

@Suite("Settings of arithmetic")
struct ArithmeticTests {
    private let layers = [ConfigurationLayer(override: "kernels.arithmetic=bfloat16")]

    @Test("bf16 is for attacks in training: other passes, and evaluations, are those of fast arithmetic")
    func sides() throws {
        for (arithmetic, others) in [
            (Arithmetic.fast, Arithmetic.fast), (.bfloat16, .fast), (.exact, .exact),
        ] {
            var configuration = RunConfiguration()
            configuration.kernels.arithmetic = arithmetic
            let settings = configuration.trainingSettings(stepsPerEpoch: 1, ranks: 1)
            #expect(settings.attackArithmetic == arithmetic && settings.arithmetic == others)
            #expect(configuration.kernels.passArithmetic == others)
        }
    }

    @Test("A processor or a program without the instructions is refused for training, with what is missing")
    func refusal() throws {
        // What was trained elsewhere is evaluated anywhere.
        _ = try RunConfiguration.resolveWithWarnings(layers: layers, for: .evaluation)
        for use in [RunConfiguration.Use.training, .measurement] {
            do {
                _ = try RunConfiguration.resolveWithWarnings(layers: layers, for: use)
                #expect(Arithmetic.bfloat16.isAvailable)
            } catch {
                #expect(!Arithmetic.bfloat16.isAvailable)
                #expect(error.description.contains("kernels.arithmetic: found bfloat16"))
                #expect(error.description.contains("fast, exact here; bfloat16 takes a processor with AVX512-BF16"))
                #expect(error.description.contains("ROBUSTMOE_MARCH=native launch/build"))
            }
        }
    }

    @Test("bf16 without an attack in training is warned of")
    func doubt() throws {
        for (method, isDoubted) in [("standard", true), ("free", true), ("pgd", false), ("trades", false)] {
            let method = ConfigurationLayer(override: "training.method=\(method)")
            let warnings = try RunConfiguration.resolveWithWarnings(layers: layers + [method], for: .evaluation)
                .warnings
            #expect(warnings.contains { $0.hasPrefix("kernels.arithmetic") } == isDoubted)
        }
    }
}
