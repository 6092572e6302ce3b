/// What one layer costs for one image.
public struct LayerCost: Hashable, Sendable {
    /// The path of its parameters.
    public let path: String
    /// Multiply-adds of the direct computation, forward; batch norms, ReLUs and pooling are not counted.
    public let multiplyAdds: Int
    /// The expert that it is, or is part of, if any.
    public let owner: ExpertOwner?
    /// Whether it is a router.
    public let isRouter: Bool
}

/// What a network costs for one image, layer by layer.
public struct NetworkCost: Hashable, Sendable {
    /// The layers in the order of their slots, each expert one by one.
    public let layers: [LayerCost]
    /// Experts that an image goes to in each mixture.
    public let chosen: Int

    /// Multiply-adds of everything but routers and experts.
    public var shared: Int { sum { $0.owner == nil && !$0.isRouter } }
    /// Multiply-adds of all routers.
    public var routers: Int { sum(\.isRouter) }
    /// Multiply-adds of what runs for an image: shared layers and chosen experts, without routers.
    public var path: Int { shared + chosen * sum { $0.owner?.expert == 0 } }
    /// Multiply-adds with all experts computed, as codes do that mask results afterwards, without routers.
    public var allExperts: Int { shared + sum { $0.owner != nil } }

    private func sum(_ isCounted: (LayerCost) -> Bool) -> Int {
        layers.reduce(0) { isCounted($1) ? $0 + $1.multiplyAdds : $0 }
    }
}
