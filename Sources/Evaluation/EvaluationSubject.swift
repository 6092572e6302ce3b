import Attacks

/// What was evaluated, as the rows of `evaluation.csv` name it.
package struct EvaluationSubject: Sendable {
    /// Which weights: the name of the checkpoint, or of the file.
    package var checkpoint: String
    /// The SHA-256 of the file that holds the weights, where they come from one.
    package var sha256: String?
    /// The data set.
    package var dataset: String
    /// `validation` or `test`.
    package var split: String
    /// What the random draws of attacks are drawn from.
    package var seed: UInt64
    /// What images are normalized by inside the network: a data set, whose published mean and deviation are meant, or `none`.
    package var normalization: String
    /// What the reader should know of all rows.
    package var flags: [String]
    /// The norm and the radius of the attack of training; nil where there was none, or nobody knows.
    package var training: (norm: PerturbationBall.Norm, epsilon: Double)?

    /// Makes a subject; see the properties.
    package init(
        checkpoint: String, sha256: String?, dataset: String, split: String, seed: UInt64, normalization: String,
        flags: [String] = [], training: (norm: PerturbationBall.Norm, epsilon: Double)? = nil
    ) {
        self.checkpoint = checkpoint
        self.sha256 = sha256
        self.dataset = dataset
        self.split = split
        self.seed = seed
        self.normalization = normalization
        self.flags = flags
        self.training = training
    }
}
