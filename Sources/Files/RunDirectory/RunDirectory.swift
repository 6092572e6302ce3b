import Foundation

/// A directory that cannot take a run.
package enum RunDirectoryError: ErrorWithStatus, Equatable, Sendable, CustomStringConvertible {
    /// The system refused.
    case system(FileSystemError)
    /// A run is there already, and neither resuming nor replacing it was asked for.
    case occupied(path: String, found: [String])
    /// Another process works there; nobody is named where the file does not tell.
    case locked(path: String, holder: RunLock.Holder?, age: Double)
    /// A file with the name of one of ours was written by somebody else.
    case foreign(path: String, expected: String, found: String)
    /// Something that is no directory has the name.
    case notDirectory(path: String)
    /// A directory has the name of a file.
    case isDirectory(path: String)
    /// A value that JSON cannot hold, a number that is not finite for instance.
    case contents(FileFormatError)

    /// One line: what is there, and what to do.
    package var description: String {
        switch self {
        case .system(let error): error.description
        case .occupied(let path, let found):
            "\(path): expected no run there, found \(found.joined(separator: ", ")); pass "
                + (found.contains(where: RunDirectory.resumable.contains) ? "--resume auto to go on with it, " : "")
                + "--force to replace it, or another --output"
        case .locked(let path, let holder, let age):
            "\(path): expected no other process in this directory, found "
                + (holder.map {
                    "process \($0.process) on \($0.host)\($0.job.map { ", job \($0)" } ?? ""), which took it at "
                        + "\($0.since.ISO8601Format()) and renewed it \(Int(age)) s ago"
                } ?? "one")
        case .foreign(let path, let expected, let found):
            "\(path): expected \(expected), as this program writes it, found '\(found)'; nothing was removed"
        case .notDirectory(let path): "\(path): expected a directory or nothing, found a file"
        case .isDirectory(let path): "\(path): expected a file or nothing, found a directory"
        case .contents(let error): error.description
        }
    }

    package var exitStatus: ExitStatus {
        switch self {
        case .occupied, .notDirectory, .isDirectory, .locked, .foreign: .usage
        case .system(let error): error.exitStatus
        case .contents(let error): error.exitStatus
        }
    }
}

/// The directory of a run and the files in it that are written as a whole.
///
/// Rank zero alone has one.
package struct RunDirectory: Sendable {
    /// What to do with a run that is there already.
    package enum Opening: Sendable {
        /// Refuse.
        case fresh
        /// Remove what it wrote, and nothing else.
        case force
        /// Keep it and go on; where there is none, begin one.
        case resume
    }

    package static let checkpointsName = "checkpoints"
    /// What tells that a directory of checkpoints is a run's, before there are any.
    static let markerName = ".run"
    static let configurationName = "config.yaml"
    /// What the names of files of attacked images end in.
    private static let imagesSuffix = ".safetensors"
    /// What tells that a run is there, checkpoints aside.
    static let traces = [configurationName, unfinishedName] + RunTable.allCases.map(\.fileName)
    /// Chunks of an evaluation that is not finished.
    package static let unfinishedName = "unfinished_evaluation.jsonl"
    private static let logName = "events.log"
    /// What there is to go on with.
    static let resumable = [checkpointsName, unfinishedName]
    /// Every file that a run or an evaluation writes, checkpoints aside.
    package static let fileNames =
        traces + [
            environmentName, "command.txt", logName, reportName, ExampleImages.fileName, expertMapsName,
            EventFile.name,
        ]
    /// The picture of images that went to each expert.
    package static let expertMapsName = "expert_maps.png"
    /// The page that `robustmoe report` makes of a run.
    package static let reportName = "report.html"

    /// The directory.
    package let path: String
    /// Whether a run was there and is being resumed.
    package let resumesRun: Bool

    /// The checkpoints of the run.
    package var checkpoints: CheckpointStore { CheckpointStore(directory: file(Self.checkpointsName)) }

    /// Makes or opens a run directory.
    ///
    /// - Throws: ``RunDirectoryError`` if a configuration, a table or checkpoints of a run are there and `opening` is
    ///   `fresh`, or if it is `force` and a file that is to be removed is none of ours; nothing is changed then.
    package init(_ path: String, opening: Opening) throws(RunDirectoryError) {
        self.path = path
        let found = try Self.run(at: path)
        if opening == .fresh, !found.isEmpty { throw .occupied(path: path, found: found) }
        resumesRun = opening == .resume && !found.isEmpty
        if opening == .force {
            try Self.requireOurs(at: path)
        }
        do {
            try FileSystem.createDirectory(path)
            if opening == .force { try removeRun() }
        } catch { throw .system(error) }
    }

    /// Makes the directory of checkpoints, with a marker that tells later that it is this run's.
    package func beginCheckpoints(runID: String) throws(RunDirectoryError) {
        do {
            try FileSystem.createDirectory(checkpoints.directory)
            try FileSystem.replace(FileSystem.join(checkpoints.directory, Self.markerName), with: runID + "\n")
        } catch { throw .system(error) }
    }

    /// Whether tables hold rows of a run whose directory of checkpoints is not there: it may lie on a disk that is not mounted.
    package var lacksCheckpoints: Bool {
        let marker = FileSystem.join(checkpoints.directory, Self.markerName)
        return !FileSystem.exists(marker)
            && RunTable.allCases.contains { $0.isOfTraining && CSVWriter.holdsRows(file($0.fileName)) }
    }

    /// Throws if opening a directory as `fresh` would; makes nothing.
    package static func requireNone(at path: String) throws(RunDirectoryError) {
        let found = try run(at: path)
        if !found.isEmpty { throw .occupied(path: path, found: found) }
    }

    /// Throws if opening a directory as `force` would; removes nothing.
    package static func requireOurs(at path: String) throws(RunDirectoryError) {
        if FileSystem.exists(path), !FileSystem.isDirectory(path) { throw .notDirectory(path: path) }
        for name in fileNames { try RunFileOrigin(name).requireOurs(FileSystem.join(path, name)) }
    }

    /// Writes a page of reports, or a figure of one, at any path where there is none or one that this program wrote.
    package static func writeReport(_ text: String, to path: String) throws(RunDirectoryError) {
        if FileSystem.isDirectory(path) { throw .isDirectory(path: path) }
        try RunFileOrigin(reportName).requireOurs(path)
        do { try FileSystem.replace(path, with: text) } catch { throw .system(error) }
    }

    /// What a run left at a path that may be none.
    private static func run(at path: String) throws(RunDirectoryError) -> [String] {
        if FileSystem.exists(path), !FileSystem.isDirectory(path) { throw .notDirectory(path: path) }
        var found = traces.filter { FileSystem.exists(FileSystem.join(path, $0)) }
        let checkpoints = FileSystem.join(path, checkpointsName)
        do {
            // An empty directory of that name, or a link to one, may be there to send checkpoints to another disk.
            if FileSystem.isDirectory(checkpoints), !(try FileSystem.entries(of: checkpoints)).isEmpty {
                found.append(checkpointsName)
            }
        } catch { throw .system(error) }
        return found
    }

    /// The path of a file of the run, such as `metrics.csv`.
    package func file(_ name: String) -> String { FileSystem.join(path, name) }

    /// Writes what an attack made of the images to `<attack>.safetensors`.
    package func write(_ images: AttackedImages, of attack: String) throws(FileFormatError) {
        try images.write(to: file(attack + Self.imagesSuffix))
    }

    /// Writes images of an evaluation beside what attacks made of them.
    package func write(_ images: ExampleImages) throws(FileFormatError) {
        try images.write(to: file(ExampleImages.fileName))
    }

    /// Writes the picture of images that went to each expert.
    package func writeExpertMaps(_ png: [UInt8]) throws(RunDirectoryError) {
        do {
            let file = try OutputFile(replacing: file(Self.expertMapsName))
            try file.write(png.span.bytes)
            try file.finish()
        } catch { throw .system(error) }
    }

    /// Writes `config.yaml`, the resolved configuration.
    package func writeConfiguration(_ yaml: String) throws(RunDirectoryError) {
        try replace(Self.configurationName, with: yaml)
    }

    /// Writes `command.txt`: the command on one line, quoted so that a shell reads the same arguments again.
    package func writeCommand(_ arguments: [String]) throws(RunDirectoryError) {
        try replace("command.txt", with: arguments.map(Self.shellQuoted).joined(separator: " ") + "\n")
    }

    /// What a session ran on.
    package static let environmentName = "environment.json"

    /// Writes `environment.json` with sorted keys.
    package func writeEnvironment(_ environment: some Encodable) throws(RunDirectoryError) {
        let text: String
        do {
            text = try prettyJSON(environment, path: file(Self.environmentName))
        } catch { throw .contents(error) }
        try replace(Self.environmentName, with: text)
    }

    /// Appends a line to `events.log`: the time in UTC, a space, and the event with its line breaks made spaces.
    package func log(_ event: String, at time: Date = Date()) throws(RunDirectoryError) {
        let text = event.split(whereSeparator: \.isNewline).joined(separator: " ").printableLine
        let line = Array("\(time.ISO8601Format()) \(text)\n".utf8)
        let path = file(Self.logName)
        let descriptor = uninterrupted { open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o666) }
        guard descriptor >= 0 else { throw .system(FileSystemError("open", path, code: errno)) }
        defer { close(descriptor) }
        do {
            try line.span.bytes.withUnsafeBytes { (buffer) throws(FileSystemError) in
                try writeWhole(buffer, to: descriptor, path: path)
            }
        } catch { throw .system(error) }
    }

    private func replace(_ name: String, with text: String) throws(RunDirectoryError) {
        do { try FileSystem.replace(file(name), with: text) } catch { throw .system(error) }
    }

    /// The bytes of `events.log`; 0 where there is none.
    package var logBytes: Int { (try? InputFile(file(Self.logName)).size) ?? 0 }

    /// Removes the results that an evaluation replaces, and of the log what came before it; what it has finished stays.
    /// - Parameter log: The bytes of the log when it began.
    package func removeResults(before log: Int) throws(RunDirectoryError) {
        try Self.requireOurs(at: path)
        do {
            try removeFiles(Self.fileNames.filter { $0 != Self.unfinishedName && $0 != Self.logName })
            try removeImages()
            guard log > 0, FileSystem.exists(file(Self.logName)) else { return }
            let lines = try FileSystem.text(of: file(Self.logName)).utf8.dropFirst(log)
            try FileSystem.replace(file(Self.logName), with: String(decoding: lines, as: UTF8.self))
        } catch { throw .system(error) }
    }

    /// Whether the first row of the table of evaluations, if any, is of weights with this hash.
    package func holdsResults(ofWeights sha256: String?) throws -> Bool {
        let path = file(RunTable.evaluation.fileName)
        guard FileSystem.exists(path), let sha256 else { return false }
        return try FileSystem.text(of: path).contains(",\(sha256),")
    }

    /// Removes what was kept of an evaluation that is finished now, or that nobody goes on with.
    package func removeUnfinished() throws(RunDirectoryError) {
        do { try removeFiles([Self.unfinishedName]) } catch { throw .system(error) }
    }

    private func removeFiles(_ names: [String]) throws(FileSystemError) {
        for name in names {
            // A directory of that name is none of ours.
            for place in [file(name), file(".partial-" + name)] where !FileSystem.isDirectory(place) {
                try FileSystem.remove(place)
            }
        }
    }

    /// Removes files of attacked images, which have the names of attacks and so are known by what they hold.
    private func removeImages() throws(FileSystemError) {
        for name in try FileSystem.entries(of: path) where name.hasSuffix(Self.imagesSuffix) {
            if AttackedImages.isOne(file(name)) { try FileSystem.remove(file(name)) }
        }
    }

    private func removeRun() throws(FileSystemError) {
        try removeFiles(Self.fileNames)
        try removeImages()
        try FileSystem.remove(FileSystem.join(checkpoints.directory, Self.markerName))
        try checkpoints.removeAll()
    }

    private static func shellQuoted(_ argument: String) -> String {
        let plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%"
        if !argument.isEmpty, argument.allSatisfy(plain.contains) { return argument }
        return "'" + argument.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }
}
