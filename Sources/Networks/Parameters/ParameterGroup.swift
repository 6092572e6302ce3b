/// Which optimizer owns a slot.
public enum ParameterGroup: Hashable, Sendable {
    case backbone, router
}
