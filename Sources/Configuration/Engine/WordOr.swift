/// A value, or `auto` in its place: what others call for.
package enum Automatic<Value: Sendable & Equatable>: Sendable, Equatable {
    case automatic
    case given(Value)

    /// The value given, or another one.
    package func or(_ value: @autoclosure () -> Value) -> Value {
        if case .given(let given) = self { given } else { value() }
    }
}

/// A value, or `none` in its place.
package enum NoneOr<Value: Sendable & Equatable>: Sendable, Equatable {
    case none
    case given(Value)

    /// The value, if there is one.
    package var value: Value? { if case .given(let value) = self { value } else { nil } }
}

/// A scalar in whose place one word may stand.
protocol WordOrScalar: ScalarValue {
    associatedtype Value: ScalarValue
    static var word: String { get }
    static var ofWord: Self { get }
    static func given(_ value: Value) -> Self
    var value: Value? { get }
}

extension WordOrScalar {
    static var noun: String { "\(word), \(Value.noun)" }
    static var words: [String] { [word] + Value.words }
    var written: ConfigurationNode { value?.written ?? .text(Self.word) }

    init?(text: String, plain: Bool) {
        if text == Self.word {
            self = .ofWord
        } else if let value = Value(text: text, plain: plain) {
            self = .given(value)
        } else {
            return nil
        }
    }
}

extension Automatic: ConfigurationValue, ScalarValue, WordOrScalar where Value: ScalarValue {
    static var word: String { "auto" }
    static var ofWord: Automatic { .automatic }
    var value: Value? { if case .given(let value) = self { value } else { nil } }
}

extension NoneOr: ConfigurationValue, ScalarValue, WordOrScalar where Value: ScalarValue {
    static var word: String { "none" }
    static var ofWord: NoneOr { .none }
}
