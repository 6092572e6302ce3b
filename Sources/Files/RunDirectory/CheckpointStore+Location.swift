extension CheckpointStore {
    /// The checkpoint directory that a path given by a user means.
    ///
    /// - Parameter path: a checkpoint, a pointer file, a directory of checkpoints or a run (the latter two mean `latest`).
    package static func locate(_ path: String) throws(CheckpointError) -> String {
        if FileSystem.isDirectory(path) {
            if FileSystem.exists(FileSystem.join(path, CheckpointManifest.name)) { return path }
            for directory in [path, FileSystem.join(path, RunDirectory.checkpointsName)] {
                if let place = try CheckpointStore(directory: directory).target(of: .latest) { return place }
            }
        } else if let pointer = Pointer(rawValue: FileSystem.lastComponent(of: path)) {
            let store = CheckpointStore(directory: FileSystem.parent(of: path))
            if let place = try store.target(of: pointer) { return place }
        }
        throw .damaged(
            path: path, file: CheckpointManifest.name, expected: "a checkpoint, a pointer to one, or a run with one",
            found: FileSystem.isDirectory(path) ? "a directory without" : "no such directory")
    }

    /// Removes everything that a store writes, and the directory if nothing else is in it.
    func removeAll() throws(FileSystemError) {
        guard FileSystem.isDirectory(directory) else { return }
        let prefixes = [Self.partialPrefix, Self.replacedPrefix]
        for pointer in Pointer.allCases { try FileSystem.remove(FileSystem.join(directory, pointer.rawValue)) }
        for name in try FileSystem.entries(of: directory) {
            let base = prefixes.first(where: name.hasPrefix).map { String(name.dropFirst($0.count)) } ?? name
            if Self.step(ofName: base) != nil || Pointer(rawValue: base) != nil {
                try FileSystem.remove(FileSystem.join(directory, name))
            }
        }
        try FileSystem.removeIfEmpty(directory)
    }

    private func target(of pointer: Pointer) throws(CheckpointError) -> String? {
        try step(of: pointer).map { FileSystem.join(directory, Self.name(ofStep: $0)) }
    }
}
