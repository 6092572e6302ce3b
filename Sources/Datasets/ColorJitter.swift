import Tensors

/// A change of an image's brightness, contrast, saturation and hue, each once, in an order of its own (torchvision's
/// ColorJitter on float images).
struct ColorJitter: Equatable {
    /// One of the four changes.
    enum Change: Int, CaseIterable {
        /// Multiplies all channels.
        case brightness
        /// Multiplies the distances from the image's mean grey.
        case contrast
        /// Multiplies the distances from each pixel's own grey.
        case saturation
        /// Turns the colour circle.
        case hue
    }

    /// The largest change of brightness, contrast and saturation, as a share.
    static let strength: Float = 0.3
    /// The largest turn of the hue; a whole turn is 1.
    static let turn: Float = 0.3

    /// The factor of each change but hue, and hue's turn, by the change's number.
    let amounts: [Float]
    /// The changes in the order in which they are made.
    let order: [Change]

    init(amounts: [Float], order: [Change]) {
        self.amounts = amounts
        self.order = order
    }

    /// Draws factors from 1 ± 0.3, a turn from ±0.3, and an order.
    init(_ stream: inout RandomStream) {
        amounts = Change.allCases.map { change in
            let draw = 2 * stream.uniform() - 1
            return change == .hue ? ColorJitter.turn * draw : 1 + ColorJitter.strength * draw
        }
        var order = Change.allCases
        for last in stride(from: order.count - 1, through: 1, by: -1) {
            order.swapAt(last, stream.integer(below: last + 1))
        }
        self.order = order
    }

    /// Changes an image in [0, 1], `[pixels][channels]`, in place; grey images have no saturation and no hue.
    func apply(to image: UnsafeMutableBufferPointer<Float>, _ channels: Int) {
        for change in order {
            let amount = amounts[change.rawValue]
            switch change {
            case .brightness: blend(image, amount) { _ in 0 }
            case .contrast:
                let pixels = image.count / channels
                let sum = (0..<pixels).reduce(0.0) { $0 + Double(grey(image, $1 * channels, channels)) }
                let mean = Float(sum / Double(max(1, pixels)))
                blend(image, amount) { _ in mean }
            case .saturation where channels == 3:
                for pixel in stride(from: 0, to: image.count, by: 3) {
                    let grey = grey(image, pixel, 3)
                    let rest = UnsafeMutableBufferPointer(rebasing: image[pixel..<pixel + 3])
                    blend(rest, amount) { _ in grey }
                }
            case .hue where channels == 3:
                for pixel in stride(from: 0, to: image.count, by: 3) { turnHue(image, pixel, by: amount) }
            case .saturation, .hue: break
            }
        }
    }

    /// amount·x + (1 − amount)·other, clamped to [0, 1].
    private func blend(_ values: UnsafeMutableBufferPointer<Float>, _ amount: Float, _ other: (Int) -> Float) {
        for index in values.indices {
            values[index] = min(max(amount * values[index] + (1 - amount) * other(index), 0), 1)
        }
    }

    /// The luminance of ITU-R BT.601.
    private func grey(_ image: UnsafeMutableBufferPointer<Float>, _ pixel: Int, _ channels: Int) -> Float {
        guard channels == 3 else { return image[pixel] }
        return 0.2989 * image[pixel] + 0.587 * image[pixel + 1] + 0.114 * image[pixel + 2]
    }

    /// Turns the hue of one pixel at constant value and saturation (HSV).
    private func turnHue(_ image: UnsafeMutableBufferPointer<Float>, _ pixel: Int, by turn: Float) {
        let (red, green, blue) = (image[pixel], image[pixel + 1], image[pixel + 2])
        let largest = max(red, green, blue)
        let range = largest - min(red, green, blue)
        if range <= 0 { return }
        // In sixths of a turn, from red by way of green and blue.
        let hue: Float =
            largest == red
            ? (green - blue) / range : largest == green ? 2 + (blue - red) / range : 4 + (red - green) / range
        let turned = hue + 6 * turn
        func channel(_ offset: Float) -> Float {
            let place = (turned + offset).truncatingRemainder(dividingBy: 6)
            let k = place < 0 ? place + 6 : place
            return largest - range * max(0, min(k, 4 - k, 1))
        }
        image[pixel] = channel(5)
        image[pixel + 1] = channel(3)
        image[pixel + 2] = channel(1)
    }
}
