/// Which optimizer owns a slot.
public enum ParameterGroup: CaseIterable, Hashable, Sendable {
    case backbone, router
}
