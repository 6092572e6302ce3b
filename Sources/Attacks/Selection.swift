import Tensors

extension [Tensor] {
    /// Copies images `images[shard]` of every shard into new tensors, in that order.
    func selecting(_ images: [[Int]]) -> [Tensor] { zip(self, images).map { ImageSelection.gather($0, $1) } }
}

extension Collection where Element: RandomAccessCollection, Element.Index == Int {
    /// The values of images `images[shard]` of every shard, in that order.
    package func selecting(_ images: [[Int]]) -> [[Element.Element]] {
        zip(self, images).map { values, images in images.map { values[$0] } }
    }
}

extension Collection {
    /// The values of one shard's images that are chosen, each of which `width` numbers stand for.
    func selecting(_ images: [Int], width: Int) -> [Element] where Index == Int {
        images.flatMap { self[$0 * width..<($0 + 1) * width] }
    }
}
