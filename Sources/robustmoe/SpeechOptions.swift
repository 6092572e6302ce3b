import ArgumentParser
import Logging

/// How much a command says while it works.
struct SpeechOptions: ParsableArguments {
    @Flag(help: "Say warnings and results alone.")
    var quiet = false
    @Flag(help: "Say more of what happens, such as every checkpoint.")
    var verbose = false

    func validate() throws {
        if quiet && verbose { throw ValidationError("--quiet and --verbose exclude each other") }
    }

    /// What is said is of this level or above.
    var level: Logger.Level { quiet ? .notice : verbose ? .debug : .info }
}

/// A command that can be told how much to say.
protocol Speaking {
    var speech: SpeechOptions { get }
}
