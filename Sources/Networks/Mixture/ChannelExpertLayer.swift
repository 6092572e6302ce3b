/// A convolution whose filters are slabs, one for each expert, each with channels of its own.
public struct ChannelExpertLayer: Hashable, Sendable {
    /// Its path.
    public let path: String
    /// The path of the mixture layer whose router chooses the slab.
    public let router: String
    /// Channels of one slab.
    public let channels: Int
    /// For each expert, the first of its channels among those of the whole filter.
    public let starts: [Int]
    /// Channels of the whole filter.
    public let wholeChannels: Int
}
