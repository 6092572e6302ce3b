/// How the numbers of a safetensors file are stored; what is no whole number becomes `Float` when it is read.
///
/// Half precision and bfloat16 are `Float`s with fewer bits, so they are read exactly; F64 is rounded.
enum StoredElement: String, CaseIterable {
    case float = "F32"
    case half = "F16"
    case bfloat16 = "BF16"
    case double = "F64"
    case int64 = "I64"

    /// The bytes of an element.
    var bytes: Int {
        switch self {
        case .half, .bfloat16: 2
        case .float: 4
        case .double, .int64: 8
        }
    }

    /// The type of the elements once they are read.
    var elementType: ElementType { self == .int64 ? .int64 : .float }
}
