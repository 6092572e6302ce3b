import Tensors

/// An objective that has no slope for images that the model gets wrong already, so that searches which follow the slope
/// leave these where they are.
///
/// It is for objectives that do not ask for a wrong prediction, such as those of routers: past it they may lead back.
public struct UntilFooledObjective: Objective {
    /// What is made large while predictions are right.
    public let objective: any Objective
    /// `[shard][image]`.
    public let labels: [[Int32]]

    /// Makes the objective.
    public init(_ objective: any Objective, labels: [[Int32]]) {
        self.objective = objective
        self.labels = labels
    }

    /// Whether what is made large does.
    public var readsRouters: Bool { objective.readsRouters }

    /// See ``Objective``.
    public func evaluate(_ outputs: ModelOutputs, shard: Int) -> ObjectiveValue {
        var value = objective.evaluate(outputs, shard: shard)
        let predictions = CrossEntropy.predictions(outputs.logits)
        let classes = outputs.logits.channels
        for (image, label) in labels[shard].enumerated() where predictions[image] != label {
            if let dLogits = value.dLogits {
                for index in image * classes..<(image + 1) * classes { dLogits.pointer[index] = 0 }
            }
            for (layer, gradient) in value.dRouters {
                let experts = gradient.count / outputs.logits.images
                for place in image * experts..<(image + 1) * experts { value.dRouters[layer]?[place] = 0 }
            }
        }
        return value
    }

    /// See ``Objective``.
    public func selecting(_ images: [[Int]]) -> any Objective {
        UntilFooledObjective(objective.selecting(images), labels: labels.selecting(images))
    }
}
