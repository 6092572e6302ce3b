/// How a 3×3 convolution is cut into Winograd tiles and blocks of tiles; a pure function of its shape.
struct WinogradTiles {
    let down: Int
    let across: Int
    let count: Int
    /// Tiles whose transforms live in a core's cache together.
    let block: Int
    /// Whether all cores work on one block, each on its own points.
    ///
    /// So it is where the transformed filter outgrows the caches, and should be streamed once. Otherwise each core takes
    /// whole blocks.
    let sharesBlock: Bool
    /// Tiles that a core transforms at a time when the block is shared.
    static let group = 8

    /// - Parameters:
    ///   - outputs: Outputs of a tile side.
    ///   - points: Products of a tile and channel pair.
    ///   - depths: Channels of all phases, in front of and behind the products.
    init(_ geometry: ConvolutionGeometry, outputs: Int, points: Int, depths: (source: Int, target: Int)) {
        down = (geometry.outputHeight + outputs - 1) / outputs
        across = (geometry.outputWidth + outputs - 1) / outputs
        count = geometry.images * down * across
        let filter = depths.source * depths.target
        sharesBlock = filter >= 256 * 256
        // Unshared: transforms of a block stay in 700 KB of L2; a multiple of the six rows that OpenBLAS's kernel takes.
        let cached = 175_000 / (points * (depths.source + depths.target)) / 6 * 6
        block = sharesBlock ? 128 : min(max(cached, 12), 120)
    }

    var blocks: Int { (count + block - 1) / block }
    func tiles(ofBlock index: Int) -> Range<Int> { index * block..<min(count, (index + 1) * block) }

    /// Image, tile row and tile column of a tile.
    @inline(__always)
    func place(_ tile: Int) -> (image: Int, row: Int, column: Int) {
        let (image, rest) = tile.quotientAndRemainder(dividingBy: down * across)
        let (row, column) = rest.quotientAndRemainder(dividingBy: across)
        return (image, row, column)
    }
}
