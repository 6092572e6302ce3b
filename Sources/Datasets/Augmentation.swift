import Tensors

/// A random change of training images; the raw value is its name in configurations.
package enum Augmentation: String, CaseIterable, Sendable {
    /// Puts the window that a network sees at a uniform place of the stored image; where it is the whole image, of the
    /// image with 4 zeros on each side.
    case crop
    /// Mirrors left and right with probability one half.
    case flip
    /// Scales a random part of the stored image, of 8% of its area or more and of sides from 3:4 to 4:3, to the window.
    case randomResizedCrop = "random-resized-crop"
    /// Changes brightness, contrast and saturation by up to 30% and hue by up to 0.3 turns, in random order.
    case colorJitter = "color-jitter"
}

/// What chance decided for one image in one epoch: the window or the part that is scaled to it first, then the mirror, then
/// the colours (torchvision's usual order).
///
/// A function of the seed, the epoch and the image's index alone, so every number of ranks sees the same images.
struct AugmentationDraw: Equatable {
    /// The central window as it is.
    static let unchanged = AugmentationDraw(rows: 0, columns: 0, mirrored: false)

    /// Rows that the window lies below the central one.
    let rows: Int
    /// Columns that the window lies to the right of the central one.
    let columns: Int
    /// Whether the window is mirrored.
    let mirrored: Bool
    /// What is done to the window's colours, if anything.
    let jitter: ColorJitter?
    /// The part of the stored image that is scaled to the window's size, if it is not the window itself.
    let part: PicturePart?

    init(rows: Int, columns: Int, mirrored: Bool, jitter: ColorJitter? = nil, part: PicturePart? = nil) {
        self.rows = rows
        self.columns = columns
        self.mirrored = mirrored
        self.jitter = jitter
        self.part = part
    }

    init(seed: UInt64, epoch: Int, index: Int, _ augmentations: Set<Augmentation>, in window: ImageWindow) {
        var stream = RandomStream(seed: seed, purpose: .augmentation, step: epoch, index: index)
        // All numbers are drawn whatever is asked for, so that leaving one augmentation out does not change another.
        let rows = window.rowShifts.lowerBound + stream.integer(below: window.rowShifts.count)
        let columns = window.columnShifts.lowerBound + stream.integer(below: window.columnShifts.count)
        let mirrored = stream.integer(below: 2) == 1
        self.rows = augmentations.contains(.crop) ? rows : 0
        self.columns = augmentations.contains(.crop) ? columns : 0
        self.mirrored = augmentations.contains(.flip) && mirrored
        // The last to draw, so that it shifts nothing for others.
        jitter = augmentations.contains(.colorJitter) ? ColorJitter(&stream) : nil
        // Nobody knows how many draws a part takes, so they come from a stream of their own.
        var parts = RandomStream(seed: seed, purpose: .resizedCrop, step: epoch, index: index)
        let stored = PictureSize(height: window.storedHeight, width: window.storedWidth)
        part = augmentations.contains(.randomResizedCrop) ? PicturePart(ofRandomArea: &parts, in: stored) : nil
    }
}
