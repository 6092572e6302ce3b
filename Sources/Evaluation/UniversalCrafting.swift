import Attacks
import Collectives
import Datasets
import NetworkAttacks
import Networks

/// Makes universal perturbations, by all ranks together.
///
/// Batches, of images in a fixed order, give one step each. Their parts are passes of their own, whose gradients are added
/// up in the parts' order, so the perturbation has the same bits on any number of ranks. As many ranks as there are parts
/// of a batch, four, share the work: a pass over 1000 images takes as long as one step of PGD on these.
package struct UniversalCrafting {
    /// The most images of a part.
    static let part = 32

    /// That a rank was to stop before a perturbation was made.
    package struct Stopped: Error {}

    let passes: PassFactory
    let communicator: any Communicator
    /// Images of a step.
    var batch = 128
    /// Images that are run together, at most ``part``.
    let part: Int
    /// The seed of the noise, where there is any.
    let seed: UInt64
    /// Whether this rank is to stop; looked at before every step.
    let wantsToStop: () -> Bool

    /// Makes the crafting.
    /// - Parameters:
    ///   - passes: Those of the network that is judged.
    ///   - chunk: The most images that are run together.
    package init(
        _ passes: PassFactory, _ communicator: any Communicator, chunk: Int, seed: UInt64,
        wantsToStop: @escaping () -> Bool = { false }
    ) {
        self.passes = passes
        self.communicator = communicator
        part = min(chunk, Self.part)
        self.seed = seed
        self.wantsToStop = wantsToStop
    }

    /// Makes a perturbation on images `indices` of a set; collective.
    /// - Parameter attack: What is made large, and how the network is met.
    /// - Throws: ``Stopped`` on all ranks if one was to stop before that.
    package func make(
        _ perturbation: inout UniversalPerturbation, _ attack: NetworkAttack, _ set: ImageSet,
        _ indices: ArraySlice<Int>
    ) throws {
        let count = perturbation.passes
        for pass in 0..<count {
            var passes = passes
            passes.progress = { [communicator] in communicator.note("\(attack.id), pass \(pass) of \(count)") }
            for start in stride(from: indices.startIndex, to: indices.endIndex, by: batch) {
                if try communicator.allReduce(Int64(wantsToStop() ? 1 : 0), .max) > 0 { throw Stopped() }
                let images = indices[start..<min(start + batch, indices.endIndex)]
                perturbation.ascend(along: try gradientSum(perturbation, attack, set, images, passes, draw: pass))
            }
        }
    }

    private func gradientSum(
        _ perturbation: UniversalPerturbation, _ attack: NetworkAttack, _ set: ImageSet, _ batch: ArraySlice<Int>,
        _ passes: PassFactory, draw: Int
    ) throws -> [Double] {
        let parts = stride(from: batch.startIndex, to: batch.endIndex, by: part).map {
            batch[$0..<min($0 + part, batch.endIndex)]
        }
        // Consecutive parts, so that all of them lie in order when ranks' are put behind one another.
        let share = (parts.count + communicator.size - 1) / communicator.size
        let own = parts.dropFirst(communicator.rank * share).prefix(share)
        let sums = try own.map { indices -> [Double] in
            let chunk = set.chunk(indices, workspace: passes.workspace)
            return try attack.gradientSum(
                of: perturbation,
                AttackBatch(images: [chunk.images], labels: [chunk.labels], samples: [chunk.indices], seed: seed),
                passes, draw: draw)
        }
        let all = try communicator.allGather(sums.flatMap { $0 })
        var sum = [Double](repeating: 0, count: set.traits.imageSize)
        for (index, value) in all.enumerated() { sum[index % sum.count] += value }
        return sum
    }
}
