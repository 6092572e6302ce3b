/// Where mixtures stand: a list of paths.
///
/// Each path matches itself and what lies below it, by whole components; `*` matches one component. `layer3.1` is not `layer3.10`.
public struct Placement: Hashable, Sendable {
    /// The paths.
    public let paths: [String]

    /// Makes a placement.
    public init(_ paths: [String]) {
        self.paths = paths
    }

    /// Whether one of the paths is `path` or an ancestor of it.
    public func covers(_ path: String) -> Bool {
        paths.contains { Placement.covers($0, path) }
    }

    static func covers(_ pattern: String, _ path: String) -> Bool {
        let wanted = pattern.split(separator: ".")
        let found = path.split(separator: ".")
        return wanted.count <= found.count && zip(wanted, found).allSatisfy { $0 == "*" || $0 == $1 }
    }
}

/// What a mixture replaces.
public enum ExpertKind: String, CaseIterable, Sendable {
    /// Single convolutions.
    case conv
    /// Whole residual blocks.
    case block
    /// Slabs of the channels of single convolutions, which share batch norm.
    case channel
}

/// How far one choice of expert reaches.
public enum RouterScope: String, CaseIterable, Sendable {
    /// One mixture layer, whose own router sees what the layer sees.
    case layer
    /// All mixture layers; the router sees the image.
    case image
}

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

    /// Makes settings; see the properties.
    public init(
        kind: ExpertKind, placement: Placement, includesDownsample: Bool, router: RouterSettings,
        scope: RouterScope = .layer
    ) {
        self.kind = kind
        self.placement = placement
        self.includesDownsample = includesDownsample
        self.router = router
        self.scope = scope
    }
}
