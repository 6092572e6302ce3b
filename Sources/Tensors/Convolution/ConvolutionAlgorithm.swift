import CHardware

/// Whether kernels may use arithmetic that rounds differently from direct convolution.
public enum Arithmetic: String, CaseIterable, Sendable {
    /// Winograd convolutions where they win, batch norm folded into filters.
    case fast
    /// As `fast`, but factors of Winograd's products rounded to bf16 (8 bits of significand), forward and in input gradients;
    /// sums are floats. Only where ``isAvailable``.
    case bfloat16
    /// Direct multiply-adds only, nothing folded.
    case exact

    /// Whether the program is built for the instructions that this needs, and the processor has them.
    public var isAvailable: Bool { self != .bfloat16 || TileProduct.multipliesPairs && CHardware_hasPairs() != 0 }

    /// All that the program can use on this processor.
    public static var available: [Arithmetic] { allCases.filter(\.isAvailable) }
}

/// How the factors of Winograd's products are stored.
public enum ProductFactors: Hashable, Sendable {
    /// As floats.
    case single
    /// As pairs of bf16 numbers.
    case bfloat16
}

/// Which of the three products of a convolution is computed.
public enum ConvolutionPass: Hashable, Sendable {
    case forward, inputGradient, weightGradient
}

/// How a convolution is computed.
public enum ConvolutionAlgorithm: Hashable, Sendable, CaseIterable {
    /// Matrix products over gathered patches: any shape.
    case patches
    /// Winograd F(2×2, 3×3): 2.25 times fewer multiply-adds.
    case winograd2
    /// Winograd F(4×4, 3×3): 4 times fewer multiply-adds, filters of 4 times the memory.
    case winograd4
    /// Winograd F(2×2, 2×2) over the four phases of a stride-2 filter: 1.44 times fewer multiply-adds.
    case phases2
    /// Winograd F(4×4, 2×2) over the four phases of a stride-2 filter: 1.78 times fewer multiply-adds.
    case phases4

    /// The table of choices: a pure function of shape and pass, so that results depend on neither timing nor threads.
    ///
    /// Winograd wins at every measured 3×3 shape of 16 to 512 channels. F(4×4) does least arithmetic, but streams a filter
    /// of 4 (stride 2: 11) times the weights: where few tiles share it, F(2×2) is faster, and patches for fewer still.
    /// The bounds are where measured times cross within a step of a network on two threads: there, unlike in a loop over one
    /// kernel (`robustmoe bench kernels`), wide filters come from memory each time.
    /// - Parameter groups: Parts of the images that meet a filter of their own.
    public static func chosen(
        for geometry: ConvolutionGeometry, groups: Int = 1, _ pass: ConvolutionPass, _ arithmetic: Arithmetic
    ) -> ConvolutionAlgorithm {
        guard arithmetic != .exact, geometry.kernel == 3, geometry.padding == 1,
            geometry.inputChannels % lanes == 0, geometry.outputChannels % lanes == 0
        else { return .patches }
        let down = (geometry.outputHeight + 3) / 4
        // What a filter serves: of one group, on average.
        let tiles = geometry.images * down * ((geometry.outputWidth + 3) / 4) / max(1, groups)
        let filter = geometry.inputChannels * geometry.outputChannels
        let isWeightGradient = pass == .weightGradient
        switch geometry.stride {
        case 1: return filter >= 256 * 256 && tiles < (isWeightGradient ? 32 : 16) ? .winograd2 : .winograd4
        case 2:
            if filter >= 256 * 512 && tiles < 8 { return .patches }
            let isOwn = TileProduct.isAvailable
            return tiles < (isOwn || isWeightGradient && filter >= 256 * 512 ? 64 : 256) ? .phases2 : .phases4
        default: return .patches
        }
    }
}
