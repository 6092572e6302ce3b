import Foundation

@testable import Networks

/// What PyTorch computed for one network: see the doc string of `Fixtures/make_fixtures.py`.
struct NetworkFixture: Decodable {
    /// Values of a tensor at spread positions, its norm and sum, and how far PyTorch's own float32 result is from its
    /// float64 result.
    struct Probe: Decodable {
        let norm: Double
        let sum: Double?
        let values: [Double]
        let error: Double
    }
    struct Router: Decodable {
        let scores: [[Double]]
        let routes: [[Int]]
        let loss: Double
    }
    struct Norm: Decodable {
        let runningMean: [Double]
        let runningVariance: [Double]
        let tracked: Int
        enum CodingKeys: String, CodingKey {
            case runningMean = "running_mean"
            case runningVariance = "running_var"
            case tracked = "num_batches_tracked"
        }
    }
    struct InputGradient: Decodable {
        let task: Probe
        let objective: Probe?
    }
    /// One forward and backward pass from the initial state.
    struct Mode: Decodable {
        let logits: [[Double]]
        let logitsError: Double
        let taskLoss: Double
        let balanceLoss: Double
        let routers: [String: Router]?
        let inputGradient: InputGradient
        let parameters: [String: Probe?]
        let norms: [String: Norm]?
        enum CodingKeys: String, CodingKey {
            case logits, routers, parameters
            case logitsError = "logits_error"
            case taskLoss = "task_loss"
            case balanceLoss = "balance_loss"
            case inputGradient = "input_gradient"
            case norms = "batch_norms"
        }
    }
    /// Ten steps of SGD on the same batch.
    struct Training: Decodable {
        let taskLoss: [Double]
        let balanceLoss: [Double]
        let routes: [String: [[[Int]]]]?
        let logits: [[Double]]
        let parameters: [String: Probe]
        let norms: [String: Norm]
        enum CodingKeys: String, CodingKey {
            case routes, logits, parameters
            case taskLoss = "task_loss"
            case balanceLoss = "balance_loss"
            case norms = "batch_norms"
        }
    }
    struct Optimizer: Decodable {
        let rate: Float
        let momentum: Float
        let decay: Float
        let steps: Int
        enum CodingKeys: String, CodingKey {
            case rate, momentum, steps
            case decay = "weight_decay"
        }
    }

    let kind: String
    let width: Int
    let classes: Int
    let batch: Int
    let channels: Int
    let height: Int
    let columns: Int
    let mean: [Float]
    let deviation: [Float]
    let salt: String
    let gain: Double
    let labels: [Int32]
    let blocks: [Int]?
    let bottleneck: Int?
    let architecture: String?
    let widening: Int?
    let skips: Bool?
    let ratio: Double?
    let stem: String?
    let router: String?
    let routerKernel: Int?
    let varianceWeight: Double?
    let placement: String?
    let experts: Int?
    let topK: Int?
    let loss: String?
    let alpha: Double?
    let routerGain: Double?
    let optimizer: Optimizer
    let train: Mode
    let eval: Mode
    let training: Training

    enum CodingKeys: String, CodingKey {
        case kind, width, classes, batch, channels, height, mean, salt, gain, labels, placement, experts, loss, alpha
        case train, eval, training, blocks, bottleneck, stem, router, architecture, widening, skips, ratio
        case routerKernel = "router_kernel"
        case varianceWeight = "variance_weight"
        case columns = "width_of_image"
        case deviation = "std"
        case topK = "top_k"
        case routerGain = "router_gain"
        case optimizer = "optimiser"
    }

    static let names = [
        "dense-16", "dense-28gray", "conv-k1-entropy", "conv-k1-switch", "conv-k2-entropy", "conv-k2-switch",
        "block-k1-entropy", "block-k1-switch", "block-k2-entropy", "block-k2-switch", "conv-k1-28gray",
        "dense-bottleneck-imagenet", "conv-k1-variance", "conv-k1-column-entropy", "conv-k2-variance",
        "conv-k2-column-entropy", "block-k1-variance", "block-k1-column-entropy", "block-k2-variance",
        "block-k2-column-entropy", "preact", "wrn", "wrn-skipping", "wrn-conv-experts", "vgg", "densenet",
    ]

    /// How its layers are put together.
    var layers: NetworkSettings.Architecture {
        get throws {
            switch architecture ?? "resnet" {
            case "resnet": .resNet(bottleneck.map { .bottleneck(widening: $0) } ?? .basic)
            case "preact": .preactivationResNet
            case "wrn": .wideResNet(widening: widening ?? 1)
            case "vgg": .vgg
            case "densenet": .denseNet
            case let unknown: throw NetworkError.invalid("no architecture is called \(unknown)")
            }
        }
    }

    /// How its mixtures make scores.
    var routerKind: RouterKind? {
        let kernel = routerKernel ?? 1
        let kinds: [String: RouterKind] = [
            "gap-linear": .gapLinear, "conv-gap": .convGap(kernel: kernel),
            "double-conv-gap": .doubleConvGap(kernel: kernel), "fixed-projection": .fixedProjection,
            "first-channels": .firstChannels,
        ]
        return kinds[router ?? "gap-linear"]
    }

    static func load(_ name: String) throws -> NetworkFixture {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/\(name).json")
        return try JSONDecoder().decode(NetworkFixture.self, from: Data(contentsOf: file))
    }
}
