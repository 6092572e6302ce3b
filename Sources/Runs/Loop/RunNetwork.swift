import Collectives
import Configuration
import Datasets
import Files
import Networks
import Weights

extension RunConfiguration {
    /// What the network is built from, pruned if it is to be.
    /// - Parameter own: The checkpoint whose weights it is going to hold: its masks count, not those that it began from.
    /// - Throws: ``RunError/unusable(_:)`` if its weights alone would not fit into the machine's memory.
    func networkSettings(_ traits: DatasetTraits, own: Checkpoint?) throws -> NetworkSettings {
        var settings = networkSettings(traits)
        if let path = model.masks {
            let masks = try PruningMasks.masks(of: try own ?? Checkpoint.verify(try CheckpointStore.locate(path)))
            settings.keptFilters = masks.mapValues { mask in mask.indices.filter { mask[$0] } }
        }
        try settings.requireMemory(MemoryBudget(jobLimit: ControlGroup.ofThisProcess().memoryLimit).bytes)
        return settings
    }
}

extension NetworkSettings {
    /// Checks, before anything is allocated, that so many bytes can hold the weights.
    func requireMemory(_ bytes: Int) throws {
        let count = try Network.slots(self).reduce(0) { $0 + $1.count }
        let wanted = count * MemoryLayout<Float>.size
        guard wanted <= bytes else {
            throw RunError.unusable(
                "the network would have \(count) parameters, \(wanted >> 20) MiB of weights alone; expected at most the "
                    + "\(bytes >> 20) MiB that this job has: less of model.width, moe.experts or moe.placement")
        }
    }
}
