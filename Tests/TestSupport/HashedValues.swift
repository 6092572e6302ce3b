import Networks
import Tensors

/// Numbers that a hash makes from a salt and a name, so that fixtures need not store weights: the scheme of
/// `NetworksTests/Fixtures/make_fixtures.py`.
public struct HashedValues {
    private let salt: String

    /// The numbers of one salt.
    public init(salt: String) { self.salt = salt }

    /// u(name, 0 ..< count) in [0, 1).
    public func uniforms(_ name: String, _ count: Int) -> [Double] {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in "\(salt)/\(name)".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return (0..<UInt64(count)).map { index in
            var z = hash &+ (index + 1) &* 0x9E37_79B9_7F4A_7C15
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            z ^= z >> 31
            return Double(z >> 40) / 0x1p24
        }
    }

    /// Sets every slot of a network.
    public func fill(_ parameters: Parameters, gain: Double, routerGain: Double) {
        for slot in parameters.slots {
            let u = uniforms(slot.name, slot.count)
            let values: [Double]
            switch slot.layout {
            case .convolution(let kernel, let inputs, _), .slabs(_, let kernel, let inputs, _),
                .windows(_, let kernel, let inputs, _, _), .window(let kernel, let inputs, _):
                let fan = Double(inputs * kernel * kernel)
                let bound =
                    slot.name.contains(".router.") ? routerGain / fan.squareRoot() : gain * (6.0 / fan).squareRoot()
                values = u.map { (2 * $0 - 1) * bound }
            case .matrix(let inputs, _):
                let bound = (slot.group == .router ? routerGain : 1) / Double(inputs).squareRoot()
                values = u.map { (2 * $0 - 1) * bound }
            case .flattenedMap(let side, let channels, _):
                let bound = 1 / Double(side * side * channels).squareRoot()
                values = u.map { (2 * $0 - 1) * bound }
            case .counter: values = [0]
            case .vector:
                if slot.name.hasSuffix("running_var") {
                    values = u.map { 0.6 + 0.8 * $0 }
                } else if slot.name.hasSuffix(".weight") {
                    values = u.map { 0.8 + 0.4 * $0 }
                } else {
                    values = u.map { 0.2 * (2 * $0 - 1) }
                }
            }
            let outside = slot.layout.memoryOrder
            parameters.update { _ = $0.values(of: slot).update(from: outside.map { Float(values[$0]) }) }
        }
    }

    /// A batch of images with structure: noise on a 4×4 grid of patches, so that mixtures send them different ways.
    public func images(_ workspace: Workspace, _ count: Int, channels: Int, height: Int, width: Int) -> Tensor {
        let pixels = uniforms("images", count * channels * height * width)
        let patches = uniforms("patches", count * channels * 16)
        let result = Tensor(workspace, images: count, height: height, width: width, channels: channels)
        for image in 0..<count {
            for channel in 0..<channels {
                for y in 0..<height {
                    for x in 0..<width {
                        let plane = image * channels + channel
                        let patch = (plane * 4 + 4 * y / height) * 4 + 4 * x / width
                        let value = 0.25 * pixels[(plane * height + y) * width + x] + 0.75 * patches[patch]
                        result.pointer[((image * height + y) * width + x) * channels + channel] = Float(value)
                    }
                }
            }
        }
        return result
    }
}

extension SlotLayout {
    /// For each element in memory, its index in PyTorch's layout.
    public var memoryOrder: [Int] {
        switch self {
        case .flattenedMap(let side, let inputs, let outputs):
            return Self.filterOrder(taps: side * side, inputs: inputs, outputs: outputs)
        case .convolution(let kernel, let inputs, let outputs):
            return Self.filterOrder(taps: kernel * kernel, inputs: inputs, outputs: outputs)
        case .slabs(let count, let kernel, let inputs, let outputs):
            let filter = Self.filterOrder(taps: kernel * kernel, inputs: inputs, outputs: outputs)
            return (0..<count).flatMap { slab in filter.map { slab * filter.count + $0 } }
        case .windows(_, let kernel, let inputs, _, let rows), .window(let kernel, let inputs, let rows):
            let order = Self.filterOrder(taps: kernel * kernel, inputs: inputs, outputs: 1)
            return (0..<rows).flatMap { row in order.map { row * order.count + $0 } }
        case .matrix(let inputs, let outputs):
            return (0..<count).map { $0 % outputs * inputs + $0 / outputs }
        case .vector, .counter: return Array(0..<count)
        }
    }

    private static func filterOrder(taps: Int, inputs: Int, outputs: Int) -> [Int] {
        (0..<taps * inputs * outputs).map { place in
            let (tap, rest) = place.quotientAndRemainder(dividingBy: inputs * outputs)
            let (input, output) = rest.quotientAndRemainder(dividingBy: outputs)
            return (output * inputs + input) * taps + tap
        }
    }

    /// Reorders a slot's elements from memory to PyTorch's layout.
    public func outside<Element: BinaryFloatingPoint>(_ memory: some Collection<Element>) -> [Double] {
        var result = [Double](repeating: 0, count: count)
        for (place, value) in zip(memoryOrder, memory) { result[place] = Double(value) }
        return result
    }
}

extension Tensor {
    /// The elements in PyTorch's order, images by channels by pixels.
    public var channelsFirst: [Double] {
        var result = [Double](repeating: 0, count: count)
        for index in 0..<count {
            let (pixel, channel) = index.quotientAndRemainder(dividingBy: channels)
            let (image, place) = pixel.quotientAndRemainder(dividingBy: pixels)
            result[(image * channels + channel) * pixels + place] = Double(pointer[index])
        }
        return result
    }
}
