import ArgumentParser

/// What the parser takes in silence, or refuses without saying what to type.
enum ArgumentChecks {
    /// Options that make a list, or that mean the same however often they stand there.
    private static let repeatable: Set<String> = [
        "--config", "--layer", "--part", "--force", "--beside-dense", "--help",
    ]

    /// Throws where an option is given twice, of which the parser would drop the first, or where a setting has dashes.
    static func check(_ arguments: some Sequence<String>) throws {
        var seen: Set<String> = []
        for argument in arguments {
            if argument == "--" { return }
            if argument == "-m" || argument == "--multirun" {
                throw ValidationError("\(argument): one command is one run; launch/sweep makes a grid of runs")
            }
            let name = String(argument.prefix { $0 != "=" })
            guard name.hasPrefix("--"), !repeatable.contains(name) else { continue }
            if name.contains(".") {
                throw ValidationError(
                    "\(argument): settings are key=value without dashes; did you mean \(argument.dropFirst(2))?")
            }
            if !seen.insert(name).inserted { throw ValidationError("\(name) is given more than once, expected once") }
        }
    }
}
