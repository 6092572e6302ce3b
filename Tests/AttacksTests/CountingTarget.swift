import Tensors

@testable import Attacks

/// What a target was asked.
final class CallCounter {
    /// Images of each call, of all shards together.
    var images: [Int] = []
    /// The number that each call was given.
    var draws: [Int] = []
}

/// A target that counts calls.
struct CountingTarget<Target: AttackTarget>: AttackTarget {
    private let target: Target
    private let counter: CallCounter

    init(_ target: Target, _ counter: CallCounter) {
        self.target = target
        self.counter = counter
    }

    func selecting(_ images: [[Int]]) -> CountingTarget { CountingTarget(target.selecting(images), counter) }

    func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) throws -> [ModelOutputs] {
        count(images, draw)
        return try target.outputs(images, readsRouters: readsRouters, draw: draw)
    }

    func outputsAndInputGradient(
        _ images: [Tensor], _ objective: any Objective, draw: Int
    ) throws -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) {
        count(images, draw)
        return try target.outputsAndInputGradient(images, objective, draw: draw)
    }

    private func count(_ images: [Tensor], _ draw: Int) {
        counter.images.append(images.reduce(0) { $0 + $1.images })
        counter.draws.append(draw)
    }
}
