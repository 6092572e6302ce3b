/// Which experts an image goes to and with which weights.
public struct Routes: Equatable, Sendable {
    /// Experts for each image, k.
    public let choices: Int
    /// The chosen experts, `[images][k]`, best score first.
    public internal(set) var experts: [Int]
    /// The weight of each choice, `[images][k]`.
    public internal(set) var weights: [Float]

    /// The choices as distributions, `[images × experts]`: even over the experts that an image goes to, whatever the weights.
    public func distribution(over experts: Int) -> [Float] {
        var result = [Float](repeating: 0, count: images * experts)
        for (place, expert) in self.experts.enumerated() {
            result[place / choices * experts + expert] += 1 / Float(choices)
        }
        return result
    }

    /// The number of images.
    public var images: Int { choices == 0 ? 0 : experts.count / choices }

    /// Makes routes; both lists are `[images][k]`.
    public init(choices: Int, experts: [Int], weights: [Float]) {
        self.choices = choices
        self.experts = experts
        self.weights = weights
    }

    /// The routes of some images alone, in this order.
    func selecting(_ images: [Int]) -> Routes {
        func rows<Value>(_ values: [Value]) -> [Value] {
            images.flatMap { values[$0 * choices..<($0 + 1) * choices] }
        }
        return Routes(choices: choices, experts: rows(experts), weights: rows(weights))
    }
}
