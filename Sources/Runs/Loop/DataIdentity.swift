import Datasets
import Files

/// What a checkpoint keeps of the images of `data.extra`.
struct ExtraIdentity: Codable, Equatable {
    let images: Int
    /// The SHA-256 of their pixels and labels.
    let contentSHA256: String

    enum CodingKeys: String, CodingKey {
        case images
        case contentSHA256 = "content_sha256"
    }

    /// Describes images.
    init(_ set: ImageSet) {
        images = set.count
        contentSHA256 = set.contentDigest
    }
}

extension ExtraIdentity? {
    /// The images for a person.
    var words: String { map { "\($0.images) images with the SHA-256 \($0.contentSHA256)" } ?? "none" }
}

/// What a checkpoint keeps of the images that its run was trained on, so that nobody goes on, or is judged, with others.
struct DataIdentity: Codable, Equatable {
    /// Training images, those held back for validation included.
    let images: Int
    /// The SHA-256 of their pixels and labels.
    let contentSHA256: String
    /// Rows, columns and channels as networks see them.
    let shape: [Int]
    /// The classes in label order.
    let classNames: [String]
    /// Images held back for validation.
    let validationImages: Int
    /// The SHA-256 of the indices of those images, in 64 bits, little-endian.
    let validationSHA256: String

    enum CodingKeys: String, CodingKey {
        case images, shape
        case contentSHA256 = "content_sha256"
        case classNames = "class_names"
        case validationImages = "validation_images"
        case validationSHA256 = "validation_indices_sha256"
    }

    /// Describes training images.
    /// - Parameter validation: The indices of those that are held back.
    init(_ set: ImageSet, validation: [Int]) {
        images = set.count
        contentSHA256 = set.contentDigest
        shape = [set.height, set.width, set.channels]
        classNames = set.classNames
        validationImages = validation.count
        var digest = ContentDigest()
        validation.map { Int64($0).littleEndian }.withUnsafeBytes { digest.append($0) }
        validationSHA256 = digest.hexadecimal
    }

    /// How these images differ from a checkpoint's, in words; nil where they are the same.
    func difference(from saved: DataIdentity) -> String? {
        if let difference = Self.difference(classNames, from: saved.classNames) { return difference }
        if images != saved.images { return "\(images) training images, the checkpoint has \(saved.images)" }
        if shape != saved.shape { return "images of \(Self.text(shape)), the checkpoint has \(Self.text(saved.shape))" }
        if contentSHA256 != saved.contentSHA256 {
            return "training images with the SHA-256 \(contentSHA256), the checkpoint has \(saved.contentSHA256)"
        }
        if validationImages != saved.validationImages {
            return "\(validationImages) validation images, the checkpoint has \(saved.validationImages)"
        }
        if validationSHA256 != saved.validationSHA256 {
            return "other validation images, so that the checkpoint was trained on some of them"
        }
        return nil
    }

    /// The first class that differs, in words; nil where none does.
    static func difference(_ classNames: [String], from saved: [String]) -> String? {
        let differing = zip(classNames, saved).enumerated().first { $0.element.0 != $0.element.1 }
        if let (number, (found, expected)) = differing {
            return "class \(number) is \(found), the checkpoint has \(expected)"
        }
        if classNames.count == saved.count { return nil }
        return "\(classNames.count) classes, the checkpoint has \(saved.count)"
    }

    private static func text(_ shape: [Int]) -> String { shape.map(String.init).joined(separator: " x ") }
}
