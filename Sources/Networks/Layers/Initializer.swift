import Tensors

/// How a slot gets its first values.
enum Initializer: Sendable {
    case constant(Float)
    /// N(0, deviation²): He's initialisation, deviation √(2 / fan).
    case normal(deviation: Float)
    /// U(−bound, bound).
    case uniform(bound: Float)
    case values([Float])

    /// PyTorch's default of convolutions and linear layers, weights and biases: U(±1/√fan_in).
    static func pyTorchDefault(fanIn: Int) -> Initializer { .uniform(bound: 1 / Float(fanIn).squareRoot()) }

    /// He-normal for ReLU over the fan given (arXiv:1502.01852).
    static func heNormal(fan: Int) -> Initializer { .normal(deviation: (2 / Float(fan)).squareRoot()) }

    func fill(_ target: UnsafeMutableBufferPointer<Float>, _ stream: inout RandomStream) {
        for index in target.indices {
            switch self {
            case .constant(let value): target[index] = value
            case .normal(let deviation): target[index] = deviation * stream.normal()
            case .uniform(let bound): target[index] = bound * (2 * stream.uniform() - 1)
            case .values(let values): target[index] = values[index]
            }
        }
    }
}
