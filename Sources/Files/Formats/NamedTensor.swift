/// A tensor as it stands in a file: a name, a shape and its values in row-major order.
package struct NamedTensor: Equatable, Sendable {
    /// The numbers of a tensor, in the two types that checkpoints use.
    package enum Values: Equatable, Sendable {
        /// 32-bit floating point, `F32` in the file.
        case float([Float])
        /// 64-bit integers, `I64` in the file.
        case int64([Int64])

        /// The number of elements.
        package var count: Int {
            switch self {
            case .float(let values): values.count
            case .int64(let values): values.count
            }
        }
    }

    /// The name, such as `layer4.0.conv1.experts.2.weight`.
    package let name: String
    /// The extents, outermost first; empty for a scalar.
    package let shape: [Int]
    /// The elements, as many as the extents multiply to.
    package let values: Values

    /// A tensor as it will stand in a file; whether the shape fits the values is checked on writing.
    package init(name: String, shape: [Int], values: Values) {
        self.name = name
        self.shape = shape
        self.values = values
    }
}

/// The element types of tensors in memory, by the names that they are written under.
package enum ElementType: String {
    case float = "F32"
    case int64 = "I64"

    var bytes: Int { self == .float ? 4 : 8 }
}

extension NamedTensor.Values {
    package var type: ElementType {
        switch self {
        case .float: .float
        case .int64: .int64
        }
    }
}

/// The product of the extents; nil where one is negative or the product leaves `Int`.
func elementCount(of shape: [Int]) -> Int? {
    var count = 1
    for extent in shape {
        let (product, overflow) = count.multipliedReportingOverflow(by: extent)
        if extent < 0 || overflow { return nil }
        count = product
    }
    return count
}
