import Files

/// Brings a published data set to where the readers look for it: fetched, verified, unpacked.
///
/// Transfers are curl's, and archives tar's and unzip's, as processes: they know proxies, certificates and redirections as
/// the system's owner has set them up, and ranks that train need not load libraries for what one command does once.
/// A file on its way has the ending `.partial`, and a transfer that was cut goes on behind what it holds, in this call or a
/// later one. What has the name of a published file is the user's: it is verified and used, and never changed.
package struct DatasetFetch: Sendable {
    /// How far a file has come.
    package struct Progress: Sendable {
        /// The file's name.
        package let name: String
        /// The bytes that are here.
        package let bytes: Int
        /// The bytes of the whole file.
        package let total: Int
    }

    private let published: PublishedDataset
    private let place: String
    private let addresses: [String]

    /// What curl ends with where the server cannot send the rest of a file alone.
    private static let noRanges = 33
    /// What it ends with where it cannot write.
    private static let cannotWrite = 23
    /// Seconds without a connection, or without a thousand bytes in each, after which a transfer counts as cut.
    private static let patience = (connection: "30", silence: "60")

    /// Prepares a fetch.
    /// - Parameters:
    ///   - dataset: The data set.
    ///   - published: Where it is published; nil for where it really is.
    ///   - path: What `data.path` will be; made where it is missing.
    ///   - mirror: The address of a folder that holds the files, instead of the official ones.
    package init(
        _ dataset: DatasetName, published: PublishedDataset? = nil, into path: String, mirror: String? = nil
    ) throws(FetchError) {
        guard let published = published ?? dataset.published else { throw .notPublished(dataset) }
        if let mirror, !["https://", "http://", "file://"].contains(where: mirror.hasPrefix) {
            throw .wrongMirror(mirror)
        }
        self.published = published
        place = path
        addresses = mirror.map { [$0] } ?? published.addresses
    }

    /// The folder that holds the files afterwards.
    package var folder: String { FileSystem.join(place, published.folder) }

    /// Fetches, verifies and unpacks what is not there yet.
    /// - Parameter progress: Called some times a second during transfers.
    /// - Returns: Whether anything had to be done.
    /// - Throws: ``FetchError``, `FileSystemError`.
    package func run(_ progress: (Progress) -> Void = { _ in }) throws -> Bool {
        switch published.packing {
        case .none:
            try FileSystem.createDirectory(folder)
            var hasFetched = false
            for part in published.parts {
                let path = FileSystem.join(folder, part.name)
                let found = try obtain(part, in: folder, progress)
                if found != path {
                    try FileSystem.rename(found, to: path)
                    hasFetched = true
                }
            }
            return hasFetched
        case .tar, .zip:
            guard !FileSystem.exists(folder) else { return false }
            let unpack = try unpacker()
            try FileSystem.createDirectory(place)
            for part in published.parts {
                let archive = try obtain(part, in: place, progress)
                try unpack(archive)
                if archive != FileSystem.join(place, part.name) { try FileSystem.remove(archive) }
            }
            return true
        }
    }

    /// Returns where a whole and verified file lies: the user's own, or the one that was fetched, which keeps its ending.
    private func obtain(
        _ part: PublishedDataset.Part, in place: String, _ progress: (Progress) -> Void
    ) throws -> String {
        let path = FileSystem.join(place, part.name)
        if FileSystem.exists(path) {
            try verify(path, part, isOwn: false)
            return path
        }
        let partial = path + ".partial"
        if size(partial) < part.digest.bytes { try transfer(part, to: partial, in: place, progress) }
        try verify(partial, part, isOwn: true)
        return partial
    }

    private func verify(_ path: String, _ part: PublishedDataset.Part, isOwn: Bool) throws {
        let found = try FileDigest(ofFileAt: path)
        guard found != part.digest else { return }
        if isOwn { try FileSystem.remove(path) }
        throw FetchError.otherContent(path: path, expected: part.digest, found: found, isRemoved: isOwn)
    }

    /// Fetches a file, trying each address until the whole of it is there.
    private func transfer(
        _ part: PublishedDataset.Part, to partial: String, in place: String, _ progress: (Progress) -> Void
    ) throws {
        guard let curl = SystemProgram("curl") else {
            throw FetchError.programMissing("curl", use: "transfers files")
        }
        var reasons: [String] = []
        for base in addresses {
            let address = FileSystem.join(base, part.name)
            var mayRestart = true
            while true {
                let before = size(partial)
                let (status, output) = try curl.run([
                    "--fail", "--silent", "--show-error", "--location", "--proto", "=https,http,file",
                    "--proto-redir", "=https,http", "--connect-timeout", Self.patience.connection, "--speed-limit",
                    "1000", "--speed-time", Self.patience.silence, "--max-filesize", "\(part.digest.bytes)",
                    "--continue-at", "\(before)", "--output", partial, "--", address,
                ]) { progress(Progress(name: part.name, bytes: size(partial), total: part.digest.bytes)) }
                let after = size(partial)
                if after >= part.digest.bytes { return }
                if status == Self.noRanges, before > 0, mayRestart {
                    mayRestart = false
                    try FileSystem.remove(partial)
                    continue
                }
                // What was cut goes on as long as it comes forward.
                if after > before, status != Self.cannotWrite { continue }
                reasons.append("\(address): " + (output.isEmpty ? "curl ended with \(status)" : output))
                break
            }
        }
        throw FetchError.unreachable(part: part, place: place, kept: size(partial), reasons: reasons)
    }

    /// Returns what unpacks an archive, found before anything is fetched in vain.
    private func unpacker() throws -> (_ archive: String) throws -> Void {
        let name = published.packing == .zip ? "unzip" : "tar"
        guard let program = SystemProgram(name) else {
            throw FetchError.programMissing(name, use: "unpacks \(published.parts[0].name)")
        }
        let aside = FileSystem.join(place, ".unpacking-" + published.folder)
        return { archive in
            // Whoever is stopped here leaves a folder of another name, which goes the next time.
            try FileSystem.remove(aside)
            try FileSystem.createDirectory(aside)
            let (status, output) = try program.run(
                published.packing == .zip
                    ? ["-q", archive, "-d", aside]
                    : ["--extract", "--gzip", "--no-same-owner", "--file", archive, "--directory", aside])
            let unpacked = FileSystem.join(aside, published.folder)
            guard status == 0, FileSystem.isDirectory(unpacked) else {
                try FileSystem.remove(aside)
                let reason = output.isEmpty ? "there is no \(published.folder) in it" : output
                throw FetchError.notUnpacked(path: archive, reason: "\(reason) (\(name) ended with \(status))")
            }
            try FileSystem.rename(unpacked, to: folder)
            try FileSystem.remove(aside)
        }
    }

    private func size(_ path: String) -> Int { (try? InputFile(path).size) ?? 0 }
}
