/// How numbers of a configuration were written where that is a fraction: `8/255` rather than 0.03137254901960784.
///
/// Spellings change how a configuration looks and nothing else: all are equal.
package struct NumberSpellings: Sendable, Equatable {
    /// What was written, by dotted key.
    var own: [String: String] = [:]
    /// How defaults are written, by the last component of the key.
    let usual: [String: String]

    /// Spellings do not make configurations differ.
    package static func == (first: NumberSpellings, second: NumberSpellings) -> Bool { true }

    /// A number as it was written, if that is a fraction and still the same number.
    func text(of key: String, _ number: String) -> String? {
        let name = key.lastIndex(of: ".").map { String(key[key.index(after: $0)...]) } ?? key
        let value = Double(text: number, plain: true)
        return [own[key], usual[name]].compactMap { $0 }.first {
            value != nil && Double(text: $0, plain: true) == value
        }
    }
}

extension ConfigurationNode {
    /// The value below a dotted key with its numbers as they were written.
    func spelled(_ spellings: NumberSpellings, under key: String = "") -> ConfigurationNode {
        var result = self
        switch content {
        case .mapping(let pairs):
            result.content = .mapping(
                pairs.map { ($0.key, $0.value.spelled(spellings, under: ConfigurationKeyPath.join(key, $0.key))) })
        case .sequence(let elements):
            result.content = .sequence(
                elements.enumerated().map {
                    $0.element.spelled(spellings, under: ConfigurationKeyPath.join(key, String($0.offset)))
                })
        case .scalar(let number, plain: true):
            if let text = spellings.text(of: key, number) { result.content = .scalar(text, plain: true) }
        case .scalar, .typed:
            break
        }
        return result
    }
}
