import Mustache

/// A template of HTML or SVG in the source, whose values are escaped where they are put in.
///
/// Templates are Mustache, of the package `swift-mustache`: values stand in `{{double}}` braces; what another template
/// made, and so is markup already, in `{{{triple}}}` ones.
struct Template: Sendable {
    private let compiled: MustacheTemplate

    /// Compiles a template of the source; one that cannot be is an error of the program.
    init(_ text: String) {
        do { compiled = try MustacheTemplate(string: text) } catch { preconditionFailure("\(error) in \(text)") }
    }

    /// Puts values in: texts, numbers, markup, lists and dictionaries of them; what is missing or nil leaves its place empty.
    func callAsFunction(_ values: [String: Any?]) -> Markup {
        Markup(text: compiled.render(values.compactMapValues { $0 }))
    }
}

/// What a template made.
struct Markup: MustacheCustomRenderable, Equatable, Sendable {
    /// HTML or SVG.
    let text: String

    /// Nothing.
    static let none = Markup(text: "")

    var renderText: String { text }
    var isNull: Bool { text.isEmpty }

    /// The parts below each other.
    static func joined(_ parts: [Markup]) -> Markup { Markup(text: parts.map(\.text).joined(separator: "\n")) }
}
