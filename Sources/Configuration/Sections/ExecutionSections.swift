import Networks
import Tensors
import Training

extension RunConfiguration {
    /// The section `distributed`: how the ranks work together.
    package struct Distributed: Sendable, Equatable {
        /// What batch norm normalizes by in training passes.
        package var batchNorm = Normalization.local
        /// The shards of a batch, so that results are the same bits on any number of ranks that divides it; 0 is off.
        package var deterministicShards = 0
        /// The size, above 0, of the pieces in which gradients are summed, in MiB.
        package var bucketMegabytes = 4.0
        /// How gradients are written for other ranks.
        package var wire = GradientWire.float32
        /// Whether what that leaves out is sent with the next gradients.
        package var errorFeedback = false
        /// Threads of a rank.
        package var threads = Automatic<Int>.automatic
        /// Seconds, above 0, that a rank waits for the others.
        package var timeoutSeconds = 300.0

        /// Makes the section with every default.
        package init() {}
    }

    /// The section `kernels`: how products are computed.
    package struct Kernels: Sendable, Equatable {
        /// Which algorithms are allowed.
        package var arithmetic = Arithmetic.fast
        /// The memory for transformed filters of a rank, at least 0, in MiB.
        package var transformCacheMegabytes = 2048

        /// The arithmetic of the passes that train, and of evaluations with their attacks: floats throughout.
        package var passArithmetic: Arithmetic { arithmetic == .bfloat16 ? .fast : arithmetic }
        /// The arithmetic of the passes by which attacks in training look at the network.
        package var attackArithmetic: Arithmetic { arithmetic }

        /// Makes the section with every default.
        package init() {}
    }

    /// The section `output`: the run directory.
    package struct Output: Sendable, Equatable {
        /// The name of the run directory under `results`; nil where the directory is given otherwise.
        package var name: String?
        /// Steps between rows of metrics, at least 0; 0 means one row an epoch.
        package var everySteps = 0
        /// Whether the rows of metrics are written for TensorBoard too.
        package var tensorBoard = false
        /// Whether evaluations write a row an image and attack beside that of each image.
        package var perSampleLong = false

        /// Makes the section with every default.
        package init() {}
    }
}

extension RunConfiguration.Distributed: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey(
            "batch_norm", \.batchNorm, "what batch norm normalizes by in training passes",
            .oneOf([.local, .synchronized])),
        ConfigurationKey(
            "deterministic_shards", \.deterministicShards, "shards of a batch, for the same bits on any ranks; 0: off",
            .within(0...ConfigurationLimits.shards)),
        ConfigurationKey(
            "bucket_megabytes", \.bucketMegabytes, "MiB of gradients that are summed together",
            .within(1.0 / 1024...Double(ConfigurationLimits.mebibytes))),
        ConfigurationKey(
            "wire", \.wire, "how gradients are sent: as floats, as bf16, or as bytes that are right on average"),
        ConfigurationKey(
            "error_feedback", \.errorFeedback, "whether what the wire leaves out is sent with the next gradients"),
        ConfigurationKey(
            "threads", \.threads, "threads of a rank", .automaticOr(.within(1...ConfigurationLimits.threads))),
        ConfigurationKey(
            "timeout_seconds", \.timeoutSeconds,
            "seconds of silence after which a rank is given up, and that MPI may take to start",
            .above(0, atMost: ConfigurationLimits.seconds)),
    ]
}

extension RunConfiguration.Kernels: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey(
            "arithmetic", \.arithmetic,
            "fast algorithms, the same with bf16 products in training's attacks, or only exact ones"),
        ConfigurationKey(
            "transform_cache_megabytes", \.transformCacheMegabytes, "MiB of a rank for transformed filters",
            .within(0...ConfigurationLimits.mebibytes)),
    ]
}

extension RunConfiguration.Output: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("name", \.name, "name of the run directory under results", .ifGiven(.plainName)),
        ConfigurationKey(
            "every_steps", \.everySteps, "steps between rows of metrics; 0: one an epoch",
            .within(0...ConfigurationLimits.steps)),
        ConfigurationKey("tensorboard", \.tensorBoard, "whether metrics.tfevents has metrics for TensorBoard"),
        ConfigurationKey(
            "per_sample_long", \.perSampleLong,
            "whether evaluate and experts write per_sample_long.csv too, with a row an image and attack"),
    ]
}

extension Normalization: ConfigurationChoice {}
extension Arithmetic: ConfigurationChoice {}

extension GradientWire: ConfigurationChoice {}
