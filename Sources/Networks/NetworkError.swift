/// What goes wrong inside a network.
public enum NetworkError: Error, CustomStringConvertible {
    /// A layer's output holds a NaN or an infinity.
    case notFinite(layer: String, value: Float)
    /// A description cannot be built.
    case invalid(String)

    /// The sentence for a person.
    public var description: String {
        switch self {
        case .notFinite(let layer, let value): "layer \(layer) gave \(value), expected finite values"
        case .invalid(let message): message
        }
    }
}
