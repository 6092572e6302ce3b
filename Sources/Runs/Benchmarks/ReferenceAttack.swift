import Files
import Tensors
import Weights

/// An attack on one batch with everything that another implementation needs to repeat it.
struct ReferenceAttack {
    /// The clean images, NHWC in [0, 1].
    let images: Tensor
    /// Their classes.
    let labels: [Int32]
    /// Where the attack started.
    let start: Tensor
    /// Where it ended.
    let end: Tensor
    /// The mean cross entropy of the clean images, in evaluation mode.
    let cleanLoss: Double
    /// The same of the attacked images.
    let attackedLoss: Double

    /// Writes `attack.safetensors`: images as PyTorch has them, `[images, channels, height, width]`, and the losses.
    func write(toDirectory directory: String) throws {
        try SafetensorsFile.write(
            [
                named("images", images), named("start", start), named("end", end),
                NamedTensor(name: "labels", shape: [labels.count], values: .int64(labels.map(Int64.init))),
                NamedTensor(
                    name: "losses", shape: [2], values: .float([Float(cleanLoss), Float(attackedLoss)])),
            ], to: "\(directory)/attack.safetensors")
    }

    private func named(_ name: String, _ tensor: Tensor) -> NamedTensor {
        let order = ImageOrder(
            images: tensor.images, height: tensor.height, width: tensor.width, channels: tensor.channels)
        return NamedTensor(name: name, shape: order.shapeInFiles, values: .float(order.forFiles(tensor.elements)))
    }
}

extension StepBenchmark {
    /// Steps on clean images before weights are handed out.
    private static let settlingSteps = 10

    /// Takes the weights that a directory holds, so that several processes time the same network.
    ///
    /// Where it holds none, trains a little and writes them there, with an attack that a peer can repeat. One rank only.
    func share(_ directory: String) throws -> String {
        let model = "\(directory)/model.safetensors"
        if FileSystem.exists(model) {
            try ModelTensors.load(try SafetensorsFile.read(model), into: network, from: model)
            return "weights of \(model)"
        }
        try FileSystem.createDirectory(directory)
        try settle(steps: Self.settlingSteps)
        try SafetensorsFile.write(ModelTensors.tensors(network), to: model)
        let attack = try referenceAttack()
        try attack.write(toDirectory: directory)
        return "wrote \(model): mean loss \(attack.cleanLoss), attacked \(attack.attackedLoss)"
    }
}
