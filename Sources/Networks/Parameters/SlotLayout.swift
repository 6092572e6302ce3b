/// How a slot is laid out in memory; checkpoints use PyTorch's layout instead.
public enum SlotLayout: Hashable, Sendable {
    /// A filter: HWIO in memory, OIHW outside.
    case convolution(kernel: Int, inputs: Int, outputs: Int)
    /// Filters one after the other, each HWIO in memory; outside one OIHW tensor with the outputs of all.
    case slabs(count: Int, kernel: Int, inputs: Int, outputs: Int)
    /// One filter of which others are windows: the outputs from each of `starts` on, `outputs` of them. OHWI in memory, so that
    /// a window lies in one piece; outside one OIHW tensor of `channels` outputs.
    case windows(starts: [Int], kernel: Int, inputs: Int, outputs: Int, channels: Int)
    /// A window of such a filter: OHWI in memory.
    case window(kernel: Int, inputs: Int, outputs: Int)
    /// A matrix: `[inputs, outputs]` in memory, `[outputs, inputs]` outside.
    case matrix(inputs: Int, outputs: Int)
    /// The matrix of a linear layer that sees square maps flattened: `[side·side·channels, outputs]` in memory, as NHWC
    /// maps lie, `[outputs, channels·side·side]` outside, as PyTorch's NCHW maps do.
    case flattenedMap(side: Int, channels: Int, outputs: Int)
    /// One value a channel.
    case vector(Int)
    /// A whole number (int64 outside; exact in memory up to 2²⁴).
    case counter

    /// Elements of the slot.
    public var count: Int {
        switch self {
        case .convolution(let kernel, let inputs, let outputs): kernel * kernel * inputs * outputs
        case .slabs(let count, let kernel, let inputs, let outputs): count * kernel * kernel * inputs * outputs
        case .windows(_, let kernel, let inputs, _, let channels): channels * kernel * kernel * inputs
        case .window(let kernel, let inputs, let outputs): kernel * kernel * inputs * outputs
        case .matrix(let inputs, let outputs): inputs * outputs
        case .flattenedMap(let side, let channels, let outputs): side * side * channels * outputs
        case .vector(let count): count
        case .counter: 1
        }
    }

    /// The first output of each of the filters in it.
    var slabStarts: [Int] {
        switch self {
        case .slabs(let count, _, _, let outputs): (0..<count).map { $0 * outputs }
        case .windows(let starts, _, _, _, _): starts
        default: [0]
        }
    }

    /// The shape outside, PyTorch's.
    public var shape: [Int] {
        switch self {
        case .convolution(let kernel, let inputs, let outputs): [outputs, inputs, kernel, kernel]
        case .slabs(let count, let kernel, let inputs, let outputs): [count * outputs, inputs, kernel, kernel]
        case .windows(_, let kernel, let inputs, _, let channels): [channels, inputs, kernel, kernel]
        case .window(let kernel, let inputs, let outputs): [outputs, inputs, kernel, kernel]
        case .matrix(let inputs, let outputs): [outputs, inputs]
        case .flattenedMap(let side, let channels, let outputs): [outputs, channels * side * side]
        case .vector(let count): [count]
        case .counter: []
        }
    }
}
