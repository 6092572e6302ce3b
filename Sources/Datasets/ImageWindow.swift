/// Which part of a stored image a network sees: a window of one size, in the middle for evaluations, anywhere for training.
package struct ImageWindow: Equatable, Sendable {
    /// Zeros around a stored image that a random window may reach into where the window is as large as the image.
    private static let border = 4

    /// Rows of a stored image.
    package let storedHeight: Int
    /// Columns of a stored image.
    package let storedWidth: Int
    /// Rows of the window.
    package let height: Int
    /// Columns of the window.
    package let width: Int

    /// Describes a window that is no larger than the image.
    package init(storedHeight: Int, storedWidth: Int, height: Int, width: Int) {
        precondition(
            (1...storedHeight).contains(height) && (1...storedWidth).contains(width),
            "a window of \(height) x \(width) in images of \(storedHeight) x \(storedWidth)")
        self.storedHeight = storedHeight
        self.storedWidth = storedWidth
        self.height = height
        self.width = width
    }

    /// The first row of the central window; half a pixel is rounded to even, as in torchvision's CenterCrop.
    var top: Int { ImageWindow.center(storedHeight, height) }
    /// The first column of the central window.
    var left: Int { ImageWindow.center(storedWidth, width) }
    /// How many rows below the central one a random window may lie.
    var rowShifts: ClosedRange<Int> { shifts(storedHeight, height, from: top) }
    /// How many columns to the right of the central one a random window may lie.
    var columnShifts: ClosedRange<Int> { shifts(storedWidth, width, from: left) }

    private func shifts(_ stored: Int, _ side: Int, from center: Int) -> ClosedRange<Int> {
        let isWhole = storedHeight == height && storedWidth == width
        let border = isWhole ? ImageWindow.border : 0
        return -center - border...stored - side - center + border
    }

    /// The first place of a middle part: half of what is left over, half a pixel rounded to even.
    static func center(_ stored: Int, _ side: Int) -> Int {
        Int((Double(stored - side) / 2).rounded(.toNearestOrEven))
    }
}
