/// How a picture of any shape becomes a square; the raw value is its name in configurations and packs.
package enum ResizeMode: String, CaseIterable, Codable, Sendable {
    /// The shorter side is scaled to the square's, the ratio of the sides kept, and the middle is cut out.
    ///
    /// torchvision's `Resize(side)` and `CenterCrop(side)`: the longer side comes to side · longer / shorter, rounded down,
    /// and the square begins at half of what is left over, half a pixel rounded to even.
    case shorterSide = "shorter-side"
    /// Both sides are scaled to the square's, whatever their ratio: torchvision's `Resize((side, side))`.
    case squash

    /// What is done to a picture.
    /// - Parameters:
    ///   - found: The picture's size.
    ///   - size: The size wanted; a square where the ratio of the sides is kept.
    func scaling(of found: PictureSize, to size: PictureSize) -> Scaling {
        switch self {
        case .squash: return Scaling(PicturePart(of: found), to: size)
        case .shorterSide:
            precondition(size.height == size.width, "a square to cut out is \(size)")
            let side = size.height
            let shorter = min(found.height, found.width)
            let scaled = PictureSize(height: side * found.height / shorter, width: side * found.width / shorter)
            return Scaling(
                PicturePart(of: found), to: scaled,
                keeping: PicturePart(
                    top: ImageWindow.center(scaled.height, side), left: ImageWindow.center(scaled.width, side),
                    size: size))
        }
    }
}

/// Rows and columns of a picture.
struct PictureSize: Equatable, CustomStringConvertible {
    let height: Int
    let width: Int

    var pixels: Int { height * width }
    var description: String { "\(height) x \(width)" }
}

/// A rectangle of a picture's pixels.
struct PicturePart: Equatable {
    let top: Int
    let left: Int
    let size: PictureSize

    init(top: Int, left: Int, size: PictureSize) {
        self.top = top
        self.left = left
        self.size = size
    }

    /// The whole of a picture.
    init(of size: PictureSize) { self.init(top: 0, left: 0, size: size) }

    var rows: Range<Int> { top..<top + size.height }
    var columns: Range<Int> { left..<left + size.width }
}

/// A part of a picture in another size, and the part of the result that is wanted.
struct Scaling: Equatable {
    /// What is scaled; pixels outside of it do not count.
    let source: PicturePart
    /// The size that it is scaled to.
    let scaled: PictureSize
    /// The part of the scaled picture that is made.
    let kept: PicturePart

    init(_ source: PicturePart, to scaled: PictureSize, keeping kept: PicturePart? = nil) {
        self.source = source
        self.scaled = scaled
        self.kept = kept ?? PicturePart(of: scaled)
    }
}
