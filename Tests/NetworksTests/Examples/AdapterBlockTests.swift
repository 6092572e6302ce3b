import Tensors
import Testing

@testable import Networks

@Suite("Example: a kind of expert")
struct AdapterBlockTests {
    private static let channels = 4

    /// Three adapters behind a block of four channels, as a builder makes them.
    private func layer(_ bench: LayerBench) throws -> ExpertBlock<AdapterBlock> {
        let builder = try NetworkBuilder(
            NetworkSettings(
                blocks: [1], width: Self.channels, channels: Self.channels, classes: 2, mean: [0], deviation: [1],
                mixture: MixtureSettings(
                    kind: .block, placement: Placement(["layer1"]), includesDownsample: true,
                    router: MixtureGradientTests.settings(.renormalised, .none))),
            bench.parameters)
        try builder.appendAdapters(behind: "layer2.0")
        #expect(builder.elements.isEmpty)
        try builder.appendAdapters(behind: "layer1.0")
        #expect(builder.mixtureLayers == ["layer1.0.adapters"])
        return try #require(builder.elements.last as? ExpertBlock<AdapterBlock>)
    }

    @Test("slots have the path, and every expert is an owner")
    func slots() throws {
        let bench = LayerBench()
        _ = try layer(bench)
        let names = bench.parameters.slots.map(\.name)
        #expect(names.contains("layer1.0.adapters.router.weight"))
        for expert in 0..<3 { #expect(names.contains("layer1.0.adapters.experts.\(expert).conv.weight")) }
        let owners = Set(bench.parameters.slots.compactMap(\.owner))
        #expect(owners == Set((0..<3).map { ExpertOwner(layer: "layer1.0.adapters", expert: $0) }))
    }

    @Test(
        "adapters, router and input, by central differences",
        arguments: [Normalization.running, .local, .synchronized])
    func gradients(_ normalization: Normalization) throws {
        let bench = LayerBench()
        let layer = try layer(bench)
        LayerGradientTests.drawParameters(bench)
        LayerGradientTests.setShifts(bench, off: -20)
        let x = bench.separableImages([4, 5], channels: Self.channels, experts: 3)
        try bench.separate(layer.router)
        try bench.adoptStatistics { _ = try layer.forward(x, $0) }
        func forward() throws -> (y: [Tensor], tape: ExpertBlock<AdapterBlock>.Tape) {
            let statistics = Array(bench.parameters.statistics)
            let record = PassRecord()
            let (y, tape) = try layer.forward(x, bench.pass(normalization, record))
            _ = try record.settle(extra: [[], []], SoloStatistics(), bench.parameters)
            bench.parameters.update([]) { _ = $0.statistics.update(from: statistics) }
            return (y, tape)
        }
        let (y, tape) = try forward()
        #expect(Set(tape.router.routes.flatMap(\.experts)).count == 3, "an expert had no image")
        let c = y.map { bench.randomLike($0, 21) }
        let gradients = Gradients(bench.parameters, shards: 2)
        let dx = try layer.backward(
            c, tape, masksInput: false, wantsInput: true, bench.pass(normalization), into: gradients.unbalanced)
        var check = GradientCheck(step: 0.01)
        check.noise = 1e-7 * y.reduce(0) { $0 + projection($1, $1) }.squareRoot()
        try check.check(
            bench.variables(gradients) + x.indices.map { bench.input(x[$0], dx[$0], "input \($0)") }
        ) {
            let (y, next) = try forward()
            guard next.router.routes.map(\.experts) == tape.router.routes.map(\.experts) else {
                throw GradientCheck.ChoiceChanged()
            }
            return projection(y, c)
        }
    }
}
