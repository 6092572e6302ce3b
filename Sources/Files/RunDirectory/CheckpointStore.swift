import Foundation

/// The checkpoints of a run: directories `step-00000123` and the pointer files `latest` and `best`.
///
/// Whatever ends the process, and a full disk too, leaves every earlier checkpoint and pointer as it was. Rank zero
/// alone uses a store, one at a time.
package struct CheckpointStore: Sendable {
    /// A file that holds the name of a checkpoint's directory, on one line.
    package enum Pointer: String, Sendable, CaseIterable {
        /// Where the run stands.
        case latest
        /// The best robust accuracy on the validation split; absent where there is none.
        case best
    }

    /// A checkpoint, or the remains of one, that is not used, and why.
    package struct Skipped: Equatable, Sendable {
        /// The name of the directory or pointer.
        package let name: String
        /// What is wrong with it.
        package let reason: String
    }

    /// The directory of the checkpoints.
    package let directory: String

    package static let partialPrefix = ".partial-"
    static let replacedPrefix = ".replaced-"

    /// The store in `directory`, which is made when the first checkpoint is written.
    package init(directory: String) { self.directory = directory }

    /// The directory name of a step: `step-` and at least eight digits.
    package static func name(ofStep step: Int) -> String {
        precondition(step >= 0, "a step is at least 0, got \(step)")
        let digits = String(step)
        return "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
    }

    /// The step of a directory name, nil if it is no such name.
    package static func step(ofName name: String) -> Int? {
        guard name.hasPrefix("step-"), let step = Int(name.dropFirst(5)), step >= 0, self.name(ofStep: step) == name
        else { return nil }
        return step
    }

    /// Writes a checkpoint, then lets `latest` (and `best`, if asked) point to it.
    ///
    /// A checkpoint of the same step, re-reached after a resume, is replaced.
    ///
    /// - Parameter progress: Called with the name of the file that is being written, again and again.
    /// - Returns: the checkpoint, with the hashes of what was written.
    /// - Throws: ``CheckpointError``; nothing of the new checkpoint is left then, and everything before it stands.
    @discardableResult
    package func write(
        step: Int, files: [CheckpointFile], best: Bool = false, progress: @escaping (String) -> Void = { _ in }
    ) throws(CheckpointError) -> Checkpoint {
        precondition(files.allSatisfy { CheckpointManifest.isPlainName($0.name) }, "checkpoint files need plain names")
        precondition(Set(files.map(\.name)).count == files.count, "checkpoint files need names of their own")
        let name = Self.name(ofStep: step)
        let partial = path(of: Self.partialPrefix + name)
        try asCheckpointError { () throws(FileSystemError) in
            try FileSystem.createDirectory(directory)
            try removeRemains()
            try FileSystem.createDirectory(partial)
        }
        let digests: [String: FileDigest]
        do {
            digests = try write(files, step: step, into: partial, progress)
            try asCheckpointError { () throws(FileSystemError) in try place(partial, as: name) }
        } catch {
            // The disk may be full: free what this attempt took. If that fails too, the next attempt does it.
            try? FileSystem.remove(partial)
            throw error
        }
        try point(.latest, at: step)
        if best { try point(.best, at: step) }
        return Checkpoint(path: path(of: name), step: step, files: digests)
    }

    /// Lets a pointer name the checkpoint of a step, which must exist.
    ///
    /// A run that resumes from an earlier checkpoint than its latest points `latest` there before it goes on: what lies
    /// past `latest` is no part of the run any more.
    package func point(_ pointer: Pointer, at step: Int) throws(CheckpointError) {
        let name = Self.name(ofStep: step)
        guard FileSystem.isDirectory(path(of: name)) else {
            throw .damaged(
                path: directory, file: pointer.rawValue, expected: "the checkpoint \(name) to point to",
                found: "no such directory")
        }
        try asCheckpointError { () throws(FileSystemError) in
            try FileSystem.replace(path(of: pointer.rawValue), with: name + "\n")
        }
    }

    /// The step that a pointer names; nil without the pointer.
    package func step(of pointer: Pointer) throws(CheckpointError) -> Int? {
        let path = path(of: pointer.rawValue)
        guard FileSystem.exists(path) else { return nil }
        let bytes = try asCheckpointError { () throws(FileSystemError) in try InputFile(path).prefix(64) }
        let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard let step = Self.step(ofName: text) else {
            throw .damaged(
                path: directory, file: pointer.rawValue, expected: "the name of a checkpoint", found: "'\(text)'")
        }
        return step
    }

    /// The newest whole checkpoint up to the one that `latest` names, verified, and what was passed over on the way.
    package func latestWhole() throws(CheckpointError) -> (checkpoint: Checkpoint?, skipped: [Skipped]) {
        guard FileSystem.isDirectory(directory) else { return (nil, []) }
        var skipped: [Skipped] = []
        let names = try asCheckpointError { () throws(FileSystemError) in
            try restoreReplaced()
            return try FileSystem.entries(of: directory)
        }
        for name in names where name.hasPrefix(Self.partialPrefix + "step-") {
            skipped.append(Skipped(name: name, reason: "it was not finished"))
        }
        var limit = Int.max
        do {
            limit = try step(of: .latest) ?? Int.max
        } catch {
            skipped.append(Skipped(name: Pointer.latest.rawValue, reason: error.description))
        }
        if limit != Int.max, !names.contains(Self.name(ofStep: limit)) {
            skipped.append(Skipped(name: Self.name(ofStep: limit), reason: "latest names it, but it is missing"))
        }
        for step in names.compactMap(Self.step(ofName:)).sorted(by: >) {
            let name = Self.name(ofStep: step)
            if step > limit {
                skipped.append(Skipped(name: name, reason: "it lies past \(Self.name(ofStep: limit)), the latest"))
                continue
            }
            do {
                return (try Checkpoint.verify(path(of: name)), skipped)
            } catch {
                skipped.append(Skipped(name: name, reason: error.description))
            }
        }
        return (nil, skipped)
    }

    /// Removes all but the newest `keep` checkpoints up to `latest`; those that pointers name always stay.
    ///
    /// What lies past `latest` and what unfinished writes left behind goes too.
    package func prune(keep: Int) throws(CheckpointError) {
        precondition(keep >= 1, "at least one checkpoint is kept, got \(keep)")
        guard FileSystem.isDirectory(directory) else { return }
        let latest = try step(of: .latest)
        let best = try step(of: .best)
        try asCheckpointError { () throws(FileSystemError) in
            try removeRemains()
            let steps = try FileSystem.entries(of: directory).compactMap(Self.step(ofName:))
            let kept = Set(steps.filter { $0 <= latest ?? Int.max }.sorted(by: >).prefix(keep))
            for step in steps where !kept.contains(step) && step != latest && step != best {
                // Renamed first, so that no half-removed checkpoint looks like a damaged one.
                let name = Self.name(ofStep: step)
                let removed = path(of: Self.partialPrefix + name)
                try FileSystem.rename(path(of: name), to: removed)
                try FileSystem.remove(removed)
            }
        }
    }

    private func path(of name: String) -> String { FileSystem.join(directory, name) }

    private func write(
        _ files: [CheckpointFile], step: Int, into partial: String, _ progress: @escaping (String) -> Void
    ) throws(CheckpointError) -> [String: FileDigest] {
        var digests: [String: FileDigest] = [:]
        do {
            for file in files {
                if let kept = file.kept, uninterrupted({ link(kept.path, FileSystem.join(partial, file.name)) }) == 0 {
                    digests[file.name] = kept.digest
                    continue
                }
                let output = try asFormatError { () throws(FileSystemError) in
                    try OutputFile(creating: FileSystem.join(partial, file.name)) { progress(file.name) }
                }
                try file.write(output)
                digests[file.name] = try asFormatError { () throws(FileSystemError) in try output.finish() }
            }
            let manifest = try CheckpointManifest(step: step, files: digests).json()
            try asFormatError { () throws(FileSystemError) in
                let output = try OutputFile(creating: FileSystem.join(partial, CheckpointManifest.name))
                try output.write(manifest)
                try output.finish()
                try FileSystem.synchronizeDirectory(partial)
            }
        } catch {
            throw CheckpointError(error)
        }
        return digests
    }

    /// Gives a finished directory its name.
    ///
    /// One of that name is set aside, and restored if the process ends here.
    private func place(_ partial: String, as name: String) throws(FileSystemError) {
        let final = path(of: name)
        let replaced = path(of: Self.replacedPrefix + name)
        if FileSystem.exists(final) { try FileSystem.rename(final, to: replaced) }
        do {
            try FileSystem.rename(partial, to: final)
        } catch {
            try restoreReplaced()
            throw error
        }
        try FileSystem.synchronizeDirectory(directory)
        try FileSystem.remove(replaced)
    }

    /// Brings back checkpoints that were set aside for new ones that never came, and removes the others.
    private func restoreReplaced() throws(FileSystemError) {
        for name in try FileSystem.entries(of: directory) where name.hasPrefix(Self.replacedPrefix) {
            let original = path(of: String(name.dropFirst(Self.replacedPrefix.count)))
            if FileSystem.exists(original) {
                try FileSystem.remove(path(of: name))
            } else {
                try FileSystem.rename(path(of: name), to: original)
            }
        }
    }

    /// Restores what was set aside and removes what was never finished.
    private func removeRemains() throws(FileSystemError) {
        try restoreReplaced()
        for name in try FileSystem.entries(of: directory) where name.hasPrefix(Self.partialPrefix) {
            try FileSystem.remove(path(of: name))
        }
    }
}
