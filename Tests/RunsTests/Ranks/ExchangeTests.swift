import Networks
import TestSupport
import Testing

@testable import Configuration
@testable import Training

extension RankTests {
    @Suite("Exchanges of a part of the parameters")
    @MainActor
    struct Exchange {
        let communicator = Ranks.communicator

        @Test(
            "what an update moves is summed over all shards, and no more is sent than that", arguments: [false, true])
        func parts(_ isOrdered: Bool) throws {
            var configuration = RunConfiguration()
            configuration.model.width = 8
            configuration.moe.kind = .given(.channel)
            let network = try Network(configuration.networkSettings(RankScene.traits), seed: 5)
            let shards = isOrdered ? 2 : 1
            let exchange = GradientExchange(
                network.parameters, shards: shards, isOrdered: isOrdered, bucketMegabytes: 1, communicator)
            let slots = network.parameters.slots.filter { !$0.isStatistic }
            let routers = slots.filter { $0.group == .router }.reduce(0) { $0 + $1.count }
            for (groups, length) in [
                (Set([ParameterGroup.router]), routers), ([.backbone], exchange.total.count),
                ([.backbone, .router], exchange.total.count),
            ] {
                exchange.begin(groups, step: 0)
                #expect(exchange.length == length && routers > 0 && 10 * routers < exchange.total.count)
                // Of every shard what others own, and the own part of the sum to all of them.
                let size = communicator.size
                #expect(exchange.bytesSent == (shards + 1) * length * 4 * (size - 1) / size)
                for (shard, arena) in exchange.gradients.arenas.enumerated() {
                    let number = communicator.rank * shards + shard + 1
                    for slot in slots where groups.contains(slot.group) {
                        for index in slot.range { arena[index] = Float(number * (index % 7)) }
                    }
                }
                exchange.gradients.onReady(0..<exchange.total.count)
                _ = try exchange.finish()
                let numbers = communicator.size * shards
                let factor = Float(numbers * (numbers + 1) / 2)
                for slot in slots {
                    let isMoved = groups.contains(slot.group)
                    #expect(slot.range.allSatisfy { exchange.total[$0] == (isMoved ? factor * Float($0 % 7) : 0) })
                }
            }
        }

        @Test(
            "encoded on the wire, sums are near the exact ones, the same bits on all ranks, and take as few bytes as they should",
            arguments: [GradientWire.bfloat16, .int8])
        func wire(_ wire: GradientWire) throws {
            var configuration = RunConfiguration()
            configuration.model.width = 8
            let network = try Network(configuration.networkSettings(RankScene.traits), seed: 5)
            let exchange = GradientExchange(
                network.parameters, shards: 1, isOrdered: false, bucketMegabytes: 0.05, wire: wire, seed: 7,
                communicator)
            let size = communicator.size
            func gradient(_ index: Int, of rank: Int) -> Float { Float((index * 31 + rank * 17) % 101 - 50) / 64 }
            func sum() throws -> [Float] {
                exchange.begin([.backbone, .router], step: 3)
                for index in exchange.total.indices { exchange.total[index] = gradient(index, of: communicator.rank) }
                exchange.gradients.onReady(0..<exchange.total.count)
                _ = try exchange.finish()
                return Array(exchange.total)
            }
            let found = try sum()
            var bits = found.map { Int64($0.bitPattern) }
            try communicator.allReduce(&bits, .max)
            #expect(bits == found.map { Int64($0.bitPattern) }, "ranks have other bits")
            let exact = found.indices.map { index in
                (0..<size).reduce(Float(0)) { $0 + gradient(index, of: $1) }
            }
            if size == 1 {
                #expect(found == exact && exchange.bytesSent == 0 && exchange.wireSquares == nil)
                return
            }
            let floats = 8 * found.count / size * (size - 1)
            let error = try #require(exchange.wireSquares)
            #expect(error.error > 0 || wire == .bfloat16)
            switch wire {
            case .float32: break
            case .bfloat16:
                #expect(abs(exchange.bytesSent * 2 - floats) <= 4 * size * 100)
                // Two roundings of 2⁻⁹ each, of values below 0.8 a rank and of their sum.
                let bound = Float(size) * 0.8 * 0x1p-8
                #expect(zip(found, exact).allSatisfy { abs($0 - $1) <= bound })
            case .int8:
                #expect(exchange.bytesSent < floats / 3)
                // Other updates draw other numbers, so that their mean comes nearer.
                var mean = found
                let again = try sum()
                for index in mean.indices { mean[index] = (mean[index] + again[index]) / 2 }
                func distance(_ values: [Float]) -> Float {
                    zip(values, exact).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
                }
                #expect(again != found && distance(mean) < 0.85 * distance(found))
            }
        }

        @Test(
            "with feedback all updates are short of what all ranks keep, of slots that do not move too, and of no more than that",
            arguments: [GradientWire.bfloat16, .int8])
        func feedback(_ wire: GradientWire) throws {
            var configuration = RunConfiguration()
            configuration.model.width = 8
            let network = try Network(configuration.networkSettings(RankScene.traits), seed: 5)
            let exchange = GradientExchange(
                network.parameters, shards: 1, isOrdered: false, bucketMegabytes: 0.05, wire: wire,
                feedsErrorBack: true, seed: 7, communicator)
            let slots = network.parameters.slots.filter { !$0.isStatistic }
            let still = try #require(slots.first { $0.name == "layer3.0.conv1.weight" })
            let size = communicator.size
            func gradient(_ index: Int, of rank: Int) -> Float { Float((index * 31 + rank * 17) % 101 - 50) / 64 }
            var applied = [Double](repeating: 0, count: exchange.total.count)
            let steps = 20
            for step in 0..<steps {
                exchange.begin([.backbone, .router], step: step)
                for slot in slots {
                    for index in slot.range { exchange.total[index] = gradient(index, of: communicator.rank) }
                }
                exchange.gradients.onReady(0..<exchange.total.count)
                _ = try exchange.finish()
                var bits = exchange.total.map { Int64($0.bitPattern) }
                try communicator.allReduce(&bits, .max)
                #expect(bits == exchange.total.map { Int64($0.bitPattern) }, "ranks have other bits in step \(step)")
                let isLeftOut = step == steps - 1
                for index in applied.indices where !(isLeftOut && still.range.contains(index)) {
                    applied[index] += Double(exchange.total[index])
                }
                if isLeftOut { exchange.keep([still]) }
            }
            #expect((exchange.unsent == nil) == (size == 1))
            guard var unsent = exchange.unsent?.map(Double.init) else { return }
            try communicator.allReduce(&unsent, .sum)
            var (error, square) = (0.0, 0.0)
            for slot in slots {
                for index in slot.range {
                    let exact = (0..<size).reduce(0.0) { $0 + Double(gradient(index, of: $1)) }
                    let short = Double(steps) * exact - applied[index]
                    #expect(abs(short - unsent[index]) < 1e-4 * Double(steps), "\(slot.name)")
                    if slot != still { (error, square) = (error + short * short, square + exact * exact) }
                }
            }
            #expect(error.squareRoot() < 0.05 * square.squareRoot())
        }
    }
}
