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
                exchange.begin(groups)
                #expect(exchange.length == length && routers > 0 && 10 * routers < exchange.total.count)
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
    }
}
