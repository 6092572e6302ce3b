/// The two orders in which the elements of images stand: pixel by pixel in memory, `[images, height, width, channels]`, and
/// plane by plane in files, as PyTorch has them.
package struct ImageOrder: Equatable, Sendable {
    private let images: Int
    private let height: Int
    private let width: Int
    private let channels: Int

    /// The order of a number of images of one size.
    package init(images: Int, height: Int, width: Int, channels: Int) {
        self.images = images
        self.height = height
        self.width = width
        self.channels = channels
    }

    /// The shape in files.
    package var shapeInFiles: [Int] { [images, channels, height, width] }

    /// Elements in the order of memory, brought into that of files.
    package func forFiles(_ memory: some RandomAccessCollection<Float>) -> [Float] {
        var planes = [Float](repeating: 0, count: memory.count)
        for (value, place) in zip(memory, places) { planes[place] = value }
        return planes
    }

    /// Elements in the order of files, brought into that of memory.
    package func forMemory(_ planes: [Float]) -> [Float] { places.map { planes[$0] } }

    /// For each element in the order of memory, its place in files.
    private var places: [Int] {
        let pixels = height * width
        return (0..<images * pixels).flatMap { pixel in
            let (image, place) = pixel.quotientAndRemainder(dividingBy: pixels)
            return (0..<channels).map { (image * channels + $0) * pixels + place }
        }
    }
}
