/// The expert that a slot belongs to, for skipping experts that saw no image.
public struct ExpertOwner: Hashable, Sendable {
    /// The path of the mixture-of-experts layer.
    public let layer: String
    /// The expert's number.
    public let expert: Int

    /// Names an expert.
    public init(layer: String, expert: Int) {
        self.layer = layer
        self.expert = expert
    }
}
