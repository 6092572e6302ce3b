import Files

/// Why a data set could not be fetched.
package enum FetchError: ErrorWithStatus, CustomStringConvertible {
    /// The set is not one of those that are published for everybody.
    case notPublished(DatasetName)
    /// The mirror is no address.
    case wrongMirror(String)
    /// A program that does the work is missing.
    case programMissing(String, use: String)
    /// No address gave the whole file.
    case unreachable(part: PublishedDataset.Part, place: String, kept: Int, reasons: [String])
    /// A file is not the published one.
    case otherContent(path: String, expected: FileDigest, found: FileDigest, isRemoved: Bool)
    /// An archive cannot be unpacked, or does not hold what it should.
    case notUnpacked(path: String, reason: String)

    /// What happened, and what to type.
    package var description: String {
        switch self {
        case .notPublished(let dataset):
            let names = DatasetName.allCases.filter { $0.published != nil }.map(\.rawValue)
            return "\(dataset.rawValue) cannot be fetched, expected \(names.joined(separator: ", "))"
        case .wrongMirror(let address):
            return "--mirror is \(address), expected an address that begins with https://, http:// or file://"
        case .programMissing(let name, let use):
            return "there is no program \(name), which \(use); apt-get install \(name)"
        case .unreachable(let part, let place, let kept, let reasons):
            let rest =
                kept == 0
                ? ""
                : "; \(kept) of \(part.digest.bytes) bytes are kept, and the same command goes on behind them"
            return "\(part.name) could not be fetched: \(reasons.joined(separator: "; "))\(rest). "
                + "--mirror URL takes another place. Without a network: bring the file (\(part.digest.bytes) bytes, SHA-256 "
                + "\(part.digest.sha256)) to \(FileSystem.join(place, part.name)), and run the same command again"
        case .otherContent(let path, let expected, let found, let isRemoved):
            return "\(path): expected \(expected.bytes) bytes of SHA-256 \(expected.sha256), found \(found.bytes) of "
                + "\(found.sha256); "
                + (isRemoved
                    ? "it was damaged on the way or is another file, and is removed: run the command again, or take another "
                        + "place by --mirror URL" : "it is left as it is: move it away to have it fetched")
        case .notUnpacked(let path, let reason):
            return "\(path) cannot be unpacked: \(reason)"
        }
    }

    package var exitStatus: ExitStatus {
        switch self {
        case .notPublished, .wrongMirror: .usage
        case .programMissing: .environment
        case .unreachable, .otherContent, .notUnpacked: .data
        }
    }
}
