import Configuration
import Datasets
import Files
import Networks
import Weights

extension RunConfiguration {
    /// What the network is built from, pruned if it is to be.
    /// - Parameter own: The checkpoint whose weights it is going to hold: its masks count, not those that it began from.
    func networkSettings(_ traits: DatasetTraits, own: Checkpoint?) throws -> NetworkSettings {
        var settings = networkSettings(traits)
        guard let path = model.masks else { return settings }
        let masks = try PruningMasks.masks(of: try own ?? Checkpoint.verify(try CheckpointStore.locate(path)))
        settings.keptFilters = masks.mapValues { mask in mask.indices.filter { mask[$0] } }
        return settings
    }
}
