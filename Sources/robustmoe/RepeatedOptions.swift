import ArgumentParser

/// Options that may not be given twice: the parser would take the last one and drop the others without a word.
enum RepeatedOptions {
    /// Those that make a list, or that mean the same however often they stand there.
    private static let allowed: Set<String> = ["--config", "--layer", "--part", "--force", "--beside-dense", "--help"]

    /// Throws where an option stands there more than once.
    static func refuse(_ arguments: some Sequence<String>) throws {
        var seen: Set<String> = []
        for argument in arguments {
            if argument == "--" { return }
            let name = String(argument.prefix { $0 != "=" })
            guard name.hasPrefix("--"), !allowed.contains(name) else { continue }
            if !seen.insert(name).inserted { throw ValidationError("\(name) is given more than once, expected once") }
        }
    }
}
