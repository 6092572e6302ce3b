/// The mixture-of-experts layers of a network.
public struct MixtureSettings: Hashable, Sendable {
    /// What is replaced.
    public var kind: ExpertKind
    /// Where.
    public var placement: Placement
    /// Whether 1×1 shortcut convolutions are replaced too (conv kind; the channel kind goes by the architecture).
    public var includesDownsample: Bool
    /// Routers, gates and balancing of every layer.
    public var router: RouterSettings
    /// How far one choice reaches (channel kind; the others choose layer by layer).
    public var scope: RouterScope
    /// Where the experts' channels lie (channel kind).
    public var slabs: SlabArrangement

    /// Whether all layers' routers are heads on one network on the image.
    var sharesTrunk: Bool { scope == .layer && router.kind == .resnet20 }

    /// Makes settings; see the properties.
    public init(
        kind: ExpertKind, placement: Placement, includesDownsample: Bool, router: RouterSettings,
        scope: RouterScope = .layer, slabs: SlabArrangement = .disjoint
    ) {
        self.kind = kind
        self.placement = placement
        self.includesDownsample = includesDownsample
        self.router = router
        self.scope = scope
        self.slabs = slabs
    }
}
