/// What goes wrong inside a network.
public enum NetworkError: Error, CustomStringConvertible {
    /// What a part of the network, such as `layer conv1` or `the router of layer conv1`, puts out holds a NaN or an infinity.
    case notFinite(part: String, value: Float)
    /// A description cannot be built.
    case invalid(String)

    /// The sentence for a person.
    public var description: String {
        switch self {
        case .notFinite(let part, let value): "\(part) gave \(value), expected finite values"
        case .invalid(let message): message
        }
    }
}
