/// A block of images or features: `Float`, row-major NHWC, `[images, height, width, channels]`.
///
/// A tensor is a reference to memory of its ``Workspace``: copies share it, and the memory goes back when the last
/// copy does. Layers never write to a tensor after handing it on.
public struct Tensor {
    /// The number of images, 0 or more.
    public let images: Int
    /// The rows of each image.
    public let height: Int
    /// The columns of each image.
    public let width: Int
    /// The channels of each pixel.
    public let channels: Int
    /// The first element; 64-byte aligned unless the tensor is a slice.
    public let pointer: UnsafeMutablePointer<Float>
    private let storage: Storage

    private final class Storage {
        let workspace: Workspace
        let pointer: UnsafeMutablePointer<Float>
        let count: Int
        init(_ workspace: Workspace, _ count: Int) {
            self.workspace = workspace
            self.count = count
            pointer = workspace.take(count)
        }
        deinit { workspace.giveBack(pointer, count) }
    }

    /// Takes memory for a tensor of the given shape; its elements are uninitialised.
    public init(_ workspace: Workspace, images: Int, height: Int = 1, width: Int = 1, channels: Int) {
        precondition(
            images >= 0 && height > 0 && width > 0 && channels > 0,
            "no tensor has the shape [\(images), \(height), \(width), \(channels)]")
        self.images = images
        self.height = height
        self.width = width
        self.channels = channels
        storage = Storage(workspace, images * height * width * channels)
        pointer = storage.pointer
    }

    /// Takes memory for a tensor of the same shape as another; its elements are uninitialised.
    public init(like other: Tensor) {
        self.init(
            other.workspace, images: other.images, height: other.height, width: other.width, channels: other.channels)
    }

    private init(_ whole: Tensor, _ range: Range<Int>) {
        images = range.count
        height = whole.height
        width = whole.width
        channels = whole.channels
        storage = whole.storage
        pointer = whole.pointer + range.lowerBound * whole.imageSize
    }

    /// The memory that the tensor came from.
    public var workspace: Workspace { storage.workspace }
    /// Pixels of an image, height times width.
    public var pixels: Int { height * width }
    /// Elements of an image.
    public var imageSize: Int { height * width * channels }
    /// Elements in all.
    public var count: Int { images * imageSize }
    /// The shape as a person reads it.
    public var shape: String { "[\(images), \(height), \(width), \(channels)]" }

    /// The elements, for reading and writing.
    public var elements: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: pointer, count: count) }

    /// Returns images `range`, sharing this tensor's memory.
    public func slice(_ range: Range<Int>) -> Tensor {
        precondition(range.lowerBound >= 0 && range.upperBound <= images, "images \(range) of \(shape)")
        return Tensor(self, range)
    }

    /// Sets every element.
    public func fill(_ value: Float) {
        pointer.update(repeating: value, count: count)
    }

    /// Copies the elements of a tensor of the same size.
    public func copy(from other: Tensor) {
        precondition(other.count == count, "cannot copy \(other.shape) to \(shape)")
        pointer.update(from: other.pointer, count: count)
    }

    /// The elements as an array, in NHWC order.
    public func toArray() -> [Float] { Array(elements) }
}
