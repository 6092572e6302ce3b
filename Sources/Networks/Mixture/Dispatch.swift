import Tensors

/// The images of one shard sorted by expert, and the way back.
struct Dispatch {
    /// For each expert, the images that chose it, in order.
    let images: [[Int]]
    /// For each expert, the weights of those images.
    let weights: [[Float]]
    /// For each expert, the position of each choice in the routes, image·k + choice.
    let choices: [[Int]]
    /// For each image, where its results lie: expert, place in the expert's batch, weight; by expert number.
    let terms: [[(part: Int, place: Int, weight: Float)]]
    /// All weights are exactly 1.
    let isUnweighted: Bool

    init(_ routes: Routes, images count: Int, experts: Int) {
        var images = [[Int]](repeating: [], count: experts)
        var weights = [[Float]](repeating: [], count: experts)
        var choices = images
        var terms = [[(part: Int, place: Int, weight: Float)]](repeating: [], count: count)
        for image in 0..<count {
            for choice in image * routes.choices..<(image + 1) * routes.choices {
                let expert = routes.experts[choice]
                terms[image].append((expert, images[expert].count, routes.weights[choice]))
                images[expert].append(image)
                weights[expert].append(routes.weights[choice])
                choices[expert].append(choice)
            }
            terms[image].sort { $0.part < $1.part }
        }
        self.images = images
        self.weights = weights
        self.choices = choices
        self.terms = terms
        isUnweighted = routes.weights.allSatisfy { $0 == 1 }
    }

    /// The images of each expert of `x`.
    func gather(_ x: Tensor) -> [Tensor] { images.map { ImageSelection.gather(x, $0) } }

    /// Σ over experts of weight times result, for each image.
    func combine(_ parts: [Tensor], like shape: Tensor) -> Tensor {
        let y = Tensor(
            shape.workspace, images: terms.count, height: shape.height, width: shape.width, channels: shape.channels)
        ImageSelection.combine(parts, terms, into: y)
        return y
    }

    /// The gradient of each expert's results, and that of the routing weights, from the gradient of the sum.
    ///
    /// - Parameters:
    ///   - offsets: Added to the gradient of every element of each expert's results, or nil.
    ///   - gatesResults: Keeps gradients where the (ReLU) results are positive.
    func backward(
        _ dy: Tensor, results: [Tensor], offsets: [Float]?, gatesResults: Bool
    ) -> (dResults: [Tensor], dWeights: [Float]) {
        var dWeights = [Float](repeating: 0, count: choices.reduce(0) { $0 + $1.count })
        let dResults = results.indices.map { expert in
            let products = ImageSelection.innerProducts(dy, images[expert], results[expert])
            for (choice, value) in zip(choices[expert], products) { dWeights[choice] = value }
            return isUnweighted && !gatesResults && offsets == nil
                ? ImageSelection.gather(dy, images[expert])
                : ImageSelection.gather(
                    dy, images[expert], weights: weights[expert], offset: offsets?[expert] ?? 0,
                    mask: gatesResults ? results[expert] : nil)
        }
        return (dResults, dWeights)
    }

    /// Adds up each image's gradients from its experts.
    func backwardGather(_ dParts: [Tensor], like x: Tensor) -> Tensor {
        let dx = Tensor(like: x)
        let plain = terms.map { $0.map { (part: $0.part, place: $0.place, weight: Float(1)) } }
        ImageSelection.combine(dParts, plain, into: dx)
        return dx
    }
}
