/// How a 3×3 convolution is cut into Winograd tiles and blocks of tiles; a pure function of its shape and groups.
struct WinogradTiles {
    let down: Int
    let across: Int
    let count: Int
    /// The tiles of each group of images, in order.
    let groups: [Range<Int>]
    /// Tiles whose transforms live in a core's cache together.
    let block: Int
    /// Whether all cores work on one block, each on its own points.
    ///
    /// So it is where the transformed filter outgrows the caches, and should be streamed once. Otherwise each core takes
    /// whole blocks.
    let sharesBlock: Bool
    /// Tiles that a core transforms at a time when the block is shared.
    static let run = 8

    /// - Parameters:
    ///   - groups: Consecutive images that meet a filter of their own.
    ///   - outputs: Outputs of a tile side.
    ///   - points: Products of a tile and channel pair.
    ///   - depths: Channels of all phases, in front of and behind the products.
    init(
        _ geometry: ConvolutionGeometry, groups: [Range<Int>], outputs: Int, points: Int,
        depths: (source: Int, target: Int)
    ) {
        down = (geometry.outputHeight + outputs - 1) / outputs
        across = (geometry.outputWidth + outputs - 1) / outputs
        let perImage = down * across
        count = geometry.images * perImage
        self.groups = groups.map { $0.lowerBound * perImage..<$0.upperBound * perImage }
        let filter = depths.source * depths.target
        sharesBlock = filter >= 256 * 256
        block =
            sharesBlock
            ? Self.sharedBlock(count) : Self.ownBlock(floatsPerTile: points * (depths.source + depths.target))
    }

    /// Tiles of a block that all cores share: for our own products, some 120 in blocks of like size, since the filter is streamed
    /// for each; multiples of the rows of a product and of ``run``.
    private static func sharedBlock(_ count: Int) -> Int {
        guard TileProduct.isAvailable else { return 128 }
        let blocks = max(1, (count + 60) / 120)
        return max(1, (count + blocks * 24 - 1) / (blocks * 24)) * 24
    }

    /// Tiles of a block that is one core's, a multiple of twelve.
    ///
    /// For OpenBLAS, transforms of a block stay in 700 KB of L2. Our own products fetch what they need ahead, and a block twice as
    /// large halves how often filters come from L3.
    private static func ownBlock(floatsPerTile: Int) -> Int {
        let size = TileProduct.isAvailable ? 350_000 : 175_000
        return min(max(size / floatsPerTile / 12 * 12, 12), 120)
    }

    /// Blocks that tiles of all groups share.
    var sharedBlocks: Int { (count + block - 1) / block }
    func tiles(ofSharedBlock index: Int) -> Range<Int> { index * block..<min(count, (index + 1) * block) }

    /// Blocks of one group.
    func blocks(ofGroup group: Int) -> Int { (groups[group].count + block - 1) / block }

    /// Blocks of all groups, if each has its own.
    var blocks: Int { ConsecutiveChunks.count(groups: groups.count, sizes: blocks(ofGroup:)) }

    /// The tiles of a block of one group.
    func tiles(ofBlock index: Int, group: Int) -> Range<Int> {
        let start = groups[group].lowerBound + index * block
        return start..<min(groups[group].upperBound, start + block)
    }

    /// The block at a place among those of all groups, one group after the other.
    func block(at place: Int) -> (group: Int, tiles: Range<Int>) {
        let (group, index) = ConsecutiveChunks.locate(place, groups: groups.count, sizes: blocks(ofGroup:))
        return (group, tiles(ofBlock: index, group: group))
    }

    /// The sums of a group's weight gradient that are made apart and added in order: no barrier, and no dependence on the
    /// thread count.
    func accumulators(ofGroup group: Int) -> Int { min(4, (blocks(ofGroup: group) + 7) / 8) }

    /// Accumulators of the groups in front of one.
    func accumulators(before group: Int) -> Int {
        ConsecutiveChunks.count(groups: group, sizes: accumulators(ofGroup:))
    }

    /// Accumulators of all groups.
    var accumulators: Int { accumulators(before: groups.count) }

    /// The group of an accumulator, which it is there, and its blocks.
    func accumulator(at place: Int) -> (group: Int, blocks: Range<Int>) {
        let (group, part) = ConsecutiveChunks.locate(place, groups: groups.count, sizes: accumulators(ofGroup:))
        let (parts, blocks) = (accumulators(ofGroup: group), blocks(ofGroup: group))
        return (group, part * blocks / parts..<(part + 1) * blocks / parts)
    }

    /// Image, tile row and tile column of a tile.
    @inline(__always)
    func place(_ tile: Int) -> (image: Int, row: Int, column: Int) {
        let (image, rest) = tile.quotientAndRemainder(dividingBy: down * across)
        let (row, column) = rest.quotientAndRemainder(dividingBy: across)
        return (image, row, column)
    }
}
