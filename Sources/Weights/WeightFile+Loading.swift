import Files
import Networks

extension WeightFile {
    /// Fills a network with the weights of the file.
    ///
    /// What the file does not hold stays the network's own: what it normalises by, and the values of the router of the
    /// whole network where the file has none.
    /// - Throws: ``Files/RunError/checkpoint(_:)`` if the weights are no such network's.
    package func load(into network: Network) throws {
        var tensors = try tensors(network.parameters.slots, channels: network.settings.channels)
        let lacksRouter = layout.repeatsRouter && !hasImageRouter
        for tensor in ModelTensors.tensors(network)
        where ModelTensors.normalizationNames.contains(tensor.name)
            ? !holdsNormalization : lacksRouter && tensor.name.hasPrefix("router.")
        {
            tensors[tensor.name] = tensor
        }
        try ModelTensors.load(tensors, into: network, from: path)
    }

    /// All tensors of the file's own network, by the program's names; what it normalises by where the file holds it.
    /// - Throws: ``Files/RunError/checkpoint(_:)`` if they are no network's that this program knows.
    package func ownTensors() throws -> [String: NamedTensor] {
        let signature = try signature()
        return try tensors(try Network.slots(signature.networkSettings), channels: signature.channels)
    }
}
