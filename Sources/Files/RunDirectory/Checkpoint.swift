import Foundation

/// A file of a checkpoint that is still to be written: its name and what writes it.
package struct CheckpointFile {
    /// The name within the checkpoint, such as `model.safetensors`.
    package let name: String
    let write: (OutputFile) throws(FileFormatError) -> Void
    /// The file of an earlier checkpoint that it is, if it is not to be written again.
    let kept: (path: String, digest: FileDigest)?

    /// A file that `write` fills.
    package init(name: String, write: @escaping (OutputFile) throws(FileFormatError) -> Void) {
        self.name = name
        self.write = write
        kept = nil
    }

    /// A file of an earlier checkpoint, unchanged: both have it in common where the file system can do that.
    package init(name: String, keptFrom checkpoint: Checkpoint) throws(CheckpointError) {
        try checkpoint.requireFile(name)
        let path = FileSystem.join(checkpoint.path, name)
        self.name = name
        kept = checkpoint.files[name].map { (path, $0) }
        write = { (output) throws(FileFormatError) in
            try asFormatError { () throws(FileSystemError) in try output.write(contentsOf: InputFile(path)) }
        }
    }

    /// A file with these bytes.
    package init(name: String, bytes: Data) {
        self.init(name: name) { (file) throws(FileFormatError) in
            try asFormatError { () throws(FileSystemError) in try file.write(Array(bytes).span.bytes) }
        }
    }

    /// A safetensors file of these tensors.
    package init(name: String, tensors: [NamedTensor]) {
        self.init(name: name) { (file) throws(FileFormatError) in
            try SafetensorsFile.write(tensors, into: file, path: name)
        }
    }
}

/// A checkpoint whose files were all found to be what was written.
package struct Checkpoint: Equatable, Sendable {
    /// Weights and running statistics.
    package static let modelFile = "model.safetensors"
    /// What methods keep from step to step beside weights and the optimizer's state.
    package static let stateFile = "state.safetensors"
    /// Bytes of a file of text; those of a run with a thousand mixture layers of a hundred experts have a tenth of it.
    package static let largestText = 1 << 26

    /// The directory.
    package let path: String
    /// The number of update steps that led to it.
    package let step: Int
    /// The files by name, with size and SHA-256.
    package let files: [String: FileDigest]

    /// Reads all tensors of one of the files.
    /// - Throws: ``CheckpointError``, or ``RunError/numerical(_:)`` where a value is not finite.
    package func tensors(in name: String) throws -> [String: NamedTensor] {
        try requireFile(name)
        let place = FileSystem.join(path, name)
        let tensors: [String: NamedTensor]
        do { tensors = try SafetensorsFile.read(place) } catch { throw CheckpointError(error) }
        try tensors.requireFinite(place)
        return tensors
    }

    /// Reads all bytes of one of the files, at most ``largestText``.
    package func data(in name: String) throws(CheckpointError) -> Data {
        try requireFile(name)
        if let bytes = files[name]?.bytes, bytes > Self.largestText {
            throw .damaged(
                path: path, file: name, expected: "at most \(Self.largestText) bytes", found: "\(bytes)")
        }
        return try asCheckpointError { () throws(FileSystemError) in
            let file = try InputFile(FileSystem.join(path, name))
            return Data(try file.prefix(file.size))
        }
    }

    fileprivate func requireFile(_ name: String) throws(CheckpointError) {
        if files[name] == nil {
            throw .damaged(
                path: path, file: name, expected: "a file of the checkpoint",
                found: "only \(files.keys.sorted().joined(separator: ", "))")
        }
    }

    /// Recomputes the hash of every file of the checkpoint at `path`.
    ///
    /// - Throws: ``CheckpointError`` that names the first file, by name, that is missing or damaged.
    package static func verify(_ path: String) throws(CheckpointError) -> Checkpoint {
        let manifest = try CheckpointManifest.read(from: path)
        if let step = CheckpointStore.step(ofName: FileSystem.lastComponent(of: path)), step != manifest.step {
            throw .damaged(
                path: path, file: CheckpointManifest.name, expected: "step \(step)", found: "\(manifest.step)")
        }
        var files: [String: FileDigest] = [:]
        for file in manifest.files {
            let expected = FileDigest(bytes: file.bytes, sha256: file.sha256)
            let place = FileSystem.join(path, file.name)
            guard FileSystem.exists(place) else {
                throw .damaged(
                    path: path, file: file.name, expected: "a file of \(file.bytes) bytes", found: "no such file")
            }
            let size = try asCheckpointError { () throws(FileSystemError) in try InputFile(place).size }
            guard size == expected.bytes else {
                throw .damaged(path: path, file: file.name, expected: "\(file.bytes) bytes", found: "\(size)")
            }
            let found = try asCheckpointError { () throws(FileSystemError) in try FileDigest(ofFileAt: place) }
            guard found == expected else {
                throw .damaged(
                    path: path, file: file.name, expected: "SHA-256 \(file.sha256)", found: found.sha256)
            }
            files[file.name] = expected
        }
        return Checkpoint(path: path, step: manifest.step, files: files)
    }
}
