/// How far one choice of expert reaches.
public enum RouterScope: String, CaseIterable, Sendable {
    /// One mixture layer, whose own router sees what the layer sees; ``RouterKind/resnet20`` sees the image, once for all
    /// layers.
    case layer
    /// All mixture layers; the router sees the image.
    case image
}
