import Files
import Foundation

/// The kind of a picture that can be decoded.
enum PictureKind {
    case jpeg
    case png

    /// How many bytes tell the kind.
    static let signatureSize = 8

    /// What a file is that begins with these bytes; nil for anything else.
    init?(_ start: some Collection<UInt8>) {
        if start.starts(with: [0xff, 0xd8, 0xff]) {
            self = .jpeg
        } else if start.starts(with: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) {
            self = .png
        } else {
            return nil
        }
    }
}

/// Lists the image files of a folder, and counts what it leaves out.
///
/// A file is an image where its first bytes are those of JPEG or PNG, or where its name ends in `.jpg`, `.jpeg` or `.png`:
/// such a file is not opened here, and if it is something else the decoder says so. Other files are left out and counted.
/// What is hidden, its name beginning with a dot, is left out without a word.
struct ImageListing {
    /// The folder that the paths of the list start from.
    let folder: FilePath
    private var strangers = LeftOut()
    private var outside = LeftOut()

    init(_ folder: String) { self.folder = FilePath(folder) }

    /// What a person should know of files that were left out, a sentence each.
    var warnings: [String] {
        strangers.warning(folder, "that are neither JPEG nor PNG")
            + outside.warning(folder, "that lie in no class folder")
    }

    /// The folders of classes in a place, sorted by their bytes; files beside them are counted.
    mutating func classFolders(in place: FilePath) throws(DatasetError) -> [FilePath] {
        var classes: [FilePath] = []
        for name in try visibleNames(folder.appending(place)) {
            let inner = place.appending(name)
            if FileSystem.isDirectory(folder.appending(inner)) { classes.append(name) } else { outside.add(inner) }
        }
        return classes
    }

    /// The image files of a class, at any depth, as paths within the folder, sorted by their bytes.
    /// - Parameters:
    ///   - place: The class's folder, within the folder.
    ///   - known: A file that is published beside the images and not worth a word.
    /// - Throws: ``DatasetError/unusableTree(folder:reason:)`` where there is none.
    mutating func imagesOfClass(_ place: FilePath, except known: FilePath? = nil) throws(DatasetError) -> [FilePath] {
        let files = try images(place, except: known, depth: 0)
        guard !files.isEmpty else {
            throw .unusableTree(
                folder: folder.appending(place).description, reason: "a class without a JPEG or PNG file")
        }
        return files
    }

    /// The image files of any place, at any depth, where there may be none; see ``imagesOfClass(_:except:)``.
    mutating func images(_ place: FilePath) throws(DatasetError) -> [FilePath] {
        try images(place, except: nil, depth: 0)
    }

    private mutating func images(
        _ place: FilePath, except known: FilePath?, depth: Int
    ) throws(DatasetError) -> [FilePath] {
        // Links may lead in a circle.
        guard depth < 8 else {
            throw .unusableTree(folder: folder.appending(place).description, reason: "folders 8 deep")
        }
        var files: [FilePath] = []
        for name in try visibleNames(folder.appending(place)) where name != known {
            let inner = place.appending(name)
            if Self.promisesImage(name) {
                files.append(inner)
                continue
            }
            do throws(FileSystemError) {
                let start = try InputFile(folder.appending(inner)).prefix(PictureKind.signatureSize)
                if PictureKind(start) != nil { files.append(inner) } else { strangers.add(inner) }
            } catch {
                switch error.code {
                case EISDIR: files += try images(inner, except: known, depth: depth + 1)
                case EINVAL, ENXIO: strangers.add(inner)
                // It may be an image, so the decoder is to say why it is none.
                default: files.append(inner)
                }
            }
        }
        return files
    }

    private static func promisesImage(_ name: FilePath) -> Bool {
        guard let dot = name.bytes.lastIndex(of: UInt8(ascii: ".")) else { return false }
        return ["jpg", "jpeg", "png"].contains(String(decoding: name.bytes[(dot + 1)...], as: UTF8.self).lowercased())
    }
}

/// Files that are left out.
private struct LeftOut {
    private var first: FilePath?
    private var count = 0

    mutating func add(_ file: FilePath) {
        first = first ?? file
        count += 1
    }

    func warning(_ folder: FilePath, _ kind: String) -> [String] {
        guard let first else { return [] }
        return ["\(folder): left out, files \(kind): \(count), such as \(first)"]
    }
}

/// The names in a folder that do not begin with a dot, sorted by their bytes.
func visibleNames(_ folder: FilePath) throws(DatasetError) -> [FilePath] {
    do {
        return try FileSystem.names(in: folder).filter { $0.bytes.first != UInt8(ascii: ".") }
    } catch {
        throw .unreadable(file: folder.description, reason: error.reason)
    }
}
