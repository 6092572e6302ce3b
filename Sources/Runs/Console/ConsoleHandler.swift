import Logging

/// Prints what is logged as plain lines: who runs a program on a cluster reads them as they are, without time or level.
struct ConsoleHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    init(logLevel: Logger.Level) { self.logLevel = logLevel }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { Console.print("\(event.message)") }
}
