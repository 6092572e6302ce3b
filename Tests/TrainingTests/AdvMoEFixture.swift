import Foundation
import Networks

/// What PyTorch computed for channel experts: see the doc string of `Fixtures/make_advmoe.py`.
struct AdvMoEFixture: Decodable {
    /// Values of a tensor at spread positions, its norm, and how far PyTorch's own float32 result is from its float64
    /// result.
    struct Probe: Decodable {
        let norm: Double
        let values: [Double]
        let error: Double
    }
    struct Statistics: Decodable {
        let mean: [Double]
        let variance: [Double]
        let tracked: Float
    }
    /// One forward and backward pass of the mean cross entropy.
    struct Pass: Decodable {
        let logits: [[Double]]
        let logitsError: Double
        let loss: Double
        let inputGradient: Probe
        let routes: [String: [Int]]
        /// The raw scores of the image's router and the gradient of the loss that reaches them, `[image][expert]`.
        let scores: [[Double]]?
        let scoreGradient: [[Double]]?
        let scoreGradientError: Double?
        let parameters: [String: Probe]
        let statistics: [String: Statistics]?
    }
    struct Iteration: Decodable {
        /// For each attack and each of its steps, whether each gradient is positive: a bit an element of the batch, in
        /// PyTorch's order, from the highest of each byte on.
        let signs: [[Data]]
        /// The mean cross entropy of clean images and beta times the mean divergence.
        let losses: [Double]
        let lossesError: Double
        /// Right predictions of clean and of attacked images.
        let right: [Int]
        let gradientNorm: Double
        let statistics: [String: Statistics]
        let momentum: [String: Probe]?
    }
    enum Method: String, Decodable {
        case trades, code, paper
    }

    let salt: String
    let scope: String
    let width: Int
    let ratio: Double
    let experts: Int
    let classes: Int
    let batch: Int
    let size: Int
    let gain: Double
    let routerGain: Double
    let train: Pass?
    let eval: Pass?
    let method: Method?
    let seed: Int?
    let rate: Double?
    let momentum: Double?
    let weightDecay: Double?
    let beta: Double?
    let alpha: Double?
    let attackSteps: Int?
    let epochs: Int?
    let iterations: [Iteration]?
    let weights: [String: Probe]?

    static func load(_ name: String) throws -> AdvMoEFixture {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/\(name).json")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(AdvMoEFixture.self, from: Data(contentsOf: file))
    }

    /// The settings of the run that it was made for.
    var settings: [String] {
        var result: [String]
        switch method {
        case .code: result = ["preset=advmoe-code"]
        case .paper:
            result = [
                "preset=advmoe-paper", "training.schedule.name=constant",
                "training.advmoe.router_schedule.name=constant",
            ]
        case .trades, nil:
            result = [
                "training.method=trades", "moe.kind=channel", "model.normalize=none", "attack.step_size=5/255",
                "training.schedule.name=constant", "moe.scope=\(scope)",
                "moe.router=\(scope == "image" ? "resnet20" : "gap-linear")",
            ]
        }
        result += [
            "kernels.arithmetic=exact", "distributed.batch_norm=synchronized", "training.global_batch=\(batch)",
            "model.width=\(width)", "model.ratio=\(ratio)", "moe.experts=\(experts)",
        ]
        func set(_ key: String, _ value: (some CustomStringConvertible)?) {
            if let value { result.append("\(key)=\(value)") }
        }
        set("training.seed", seed)
        let isAlternating = method == .code || method == .paper
        set(isAlternating ? "training.advmoe.beta" : "training.trades.beta", beta)
        set("training.advmoe.alpha", alpha)
        set("training.epochs", epochs)
        set("attack.steps", attackSteps)
        for optimizer in ["optimizer"] + (isAlternating ? ["advmoe.router_optimizer"] : []) {
            set("training.\(optimizer).rate", rate)
            set("training.\(optimizer).momentum", momentum)
            set("training.\(optimizer).weight_decay", weightDecay)
        }
        return result
    }
}
