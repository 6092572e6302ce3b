import Configuration
import Files
import Networks
import Weights

/// The weights that a new run begins with: those of a run, of a checkpoint, or of a file in some layout.
enum InitialWeights {
    /// Fills the network of a new run, where its configuration names weights to begin with.
    /// - Returns: What was done, as a line for a person; nil where the weights are random.
    static func load(_ configuration: RunConfiguration, into network: Network) throws -> String? {
        guard let path = configuration.training.initialCheckpoint else { return nil }
        let layout = configuration.training.initialLayout
        let isFile =
            FileSystem.isFile(path)
            && CheckpointStore.Pointer(rawValue: FileSystem.lastComponent(of: path)) == nil
        guard isFile else {
            guard layout == .robustmoe else {
                throw RunError.unusable(
                    "training.initial_layout is \(layout.rawValue), but training.initial_checkpoint is no file: \(path); "
                        + "expected a safetensors file, or layout robustmoe")
            }
            let checkpoint = try Checkpoint.verify(try CheckpointStore.locate(path))
            let tensors = try checkpoint.tensors(in: Checkpoint.modelFile)
            let place = "\(checkpoint.path)/\(Checkpoint.modelFile)"
            return try load(tensors, into: network, from: place, named: "checkpoint \(checkpoint.path)")
        }
        let file = try WeightFile(path, layout: layout)
        let stored = file.holdsNormalization
        let name =
            "weights \(path), layout \(layout.rawValue)"
            + (stored
                ? "" : ", images normalised by this run's model.normalize: \(configuration.model.normalize.rawValue)")
        guard network.settings.mixture != nil, try file.signature().mixture == nil else {
            try file.load(into: network)
            return "begins with \(name)"
        }
        var tensors = try file.ownTensors()
        if !stored {
            let settings = network.settings
            let own = ModelTensors.normalization(mean: settings.mean, deviation: settings.deviation)
            for tensor in own { tensors[tensor.name] = tensor }
        }
        return try load(tensors, into: network, from: path, named: name)
    }

    private static func load(
        _ tensors: [String: NamedTensor], into network: Network, from path: String, named name: String
    ) throws -> String {
        let filled = ExpertFilling.fill(tensors, for: network)
        try ModelTensors.load(filled ?? tensors, into: network, from: path)
        return "begins with \(name)"
            + (filled == nil ? "" : "; a dense network, which fills every expert: routers have first values")
    }
}
