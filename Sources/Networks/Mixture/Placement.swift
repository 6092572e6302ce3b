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
