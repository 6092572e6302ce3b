/// Rows and columns of a map.
public struct MapSize: Hashable, Sendable {
    /// Rows.
    public var height: Int
    /// Columns.
    public var width: Int

    /// Makes a size.
    public init(height: Int, width: Int) {
        self.height = height
        self.width = width
    }

    /// The size behind a convolution or pooling.
    func after(kernel: Int, stride: Int, padding: Int) -> MapSize {
        func side(_ size: Int) -> Int { (size + 2 * padding - kernel) / stride + 1 }
        return MapSize(height: side(height), width: side(width))
    }
}
