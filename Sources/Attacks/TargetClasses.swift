import Tensors

/// The classes that targeted searches drive images to, in AutoAttack's order: those of the largest logits of the clean image.
public enum TargetClasses {
    /// Returns, for every image of each shard, the class of the logit that is the `rank`-th largest, from 1.
    ///
    /// Ties are in the order of a stable ascending sort: of equal logits the higher class counts as the larger.
    /// - Parameter logits: `[images, 1, 1, classes]` a shard, with at least `rank` classes.
    public static func ofRank(_ rank: Int, _ logits: [Tensor]) -> [[Int32]] {
        logits.map { logits in
            (0..<logits.images).map { image in
                let order = order(logits.pointer + image * logits.channels, classes: logits.channels)
                return Int32(order[order.count - rank])
            }
        }
    }

    /// The classes by rising logit, equal ones by rising class.
    static func order(_ row: UnsafePointer<Float>, classes: Int) -> [Int] {
        (0..<classes).sorted { row[$0] == row[$1] ? $0 < $1 : row[$0] < row[$1] }
    }
}
