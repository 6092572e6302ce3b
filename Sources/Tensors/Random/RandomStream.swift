/// What random numbers are drawn for.
///
/// Each purpose has streams of its own, so adding draws for one never shifts another.
public enum RandomPurpose: UInt32, Sendable {
    case initialization = 1
    case shuffle = 2
    case augmentation = 3
    case attackStart = 4
    case routingNoise = 5
    case synthetic = 6
    case split = 7
    case randomRoutes = 8
    case resizedCrop = 9
    case squareAttack = 10
    case wire = 11
    case extraShuffle = 12
}

/// A counter-based random stream (Philox4x32-10; Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC'11).
///
/// The n-th draw is a pure function of `(seed, purpose, step, index, n)`: it depends on no rank, no thread and no
/// order of evaluation, and a stream needs no saving to be resumed.
public struct RandomStream: RandomNumberGenerator, Sendable {
    private let key: SIMD2<UInt32>
    private var counter: SIMD4<UInt32>
    private var block = SIMD4<UInt32>()
    private var used = 4

    /// Opens the stream of one purpose.
    /// - Parameters:
    ///   - seed: The run's seed.
    ///   - purpose: What the numbers are for.
    ///   - step: The epoch or step that the draw belongs to, below 2³².
    ///   - index: The sample, slot or other item that the draw belongs to.
    public init(seed: UInt64, purpose: RandomPurpose, step: Int = 0, index: Int = 0) {
        let mixed = RandomStream.mix(seed ^ RandomStream.mix(UInt64(purpose.rawValue)))
        key = SIMD2(UInt32(truncatingIfNeeded: mixed), UInt32(truncatingIfNeeded: mixed >> 32))
        let item = UInt64(bitPattern: Int64(index))
        counter = SIMD4(
            0, UInt32(truncatingIfNeeded: step), UInt32(truncatingIfNeeded: item),
            UInt32(truncatingIfNeeded: item >> 32))
    }

    /// Returns 32 uniform bits.
    @inline(__always)
    public mutating func nextWord() -> UInt32 {
        if used == 4 {
            block = RandomStream.philox(counter, key)
            counter[0] &+= 1
            used = 0
        }
        defer { used += 1 }
        return block[used]
    }

    /// Fills a buffer with the words that as many calls of ``nextWord()`` return, eight blocks at once.
    public mutating func fill(_ words: UnsafeMutableBufferPointer<UInt32>) {
        guard let start = words.baseAddress else { return }
        var place = 0
        while place < words.count, used < 4 {
            start[place] = nextWord()
            place += 1
        }
        while words.count - place >= 32 {
            RandomStream.eightBlocks(counter, key, into: start + place)
            counter[0] &+= 8
            place += 32
        }
        while place < words.count {
            start[place] = nextWord()
            place += 1
        }
    }

    /// Returns 64 uniform bits.
    public mutating func next() -> UInt64 {
        UInt64(nextWord()) | UInt64(nextWord()) << 32
    }

    /// Returns a number in [0, 1), a multiple of 2⁻²⁴.
    @inline(__always)
    public mutating func uniform() -> Float {
        RandomStream.uniform(nextWord())
    }

    /// Returns an integer in `0..<bound`; `bound` must be between 1 and 2³².
    public mutating func integer(below bound: Int) -> Int {
        Int((UInt64(nextWord()) &* UInt64(bound)) >> 32)
    }

    /// Returns a draw of the standard normal distribution (Box–Muller, in Double).
    public mutating func normal() -> Float {
        let radius = (-2 * logarithm(1 - Double(nextWord()) * 0x1p-32)).squareRoot()
        return Float(radius * cosine(2 * Double.pi * Double(nextWord()) * 0x1p-32))
    }

    /// Returns the ten-round Philox block of a counter and key.
    @inline(__always)
    static func philox(_ start: SIMD4<UInt32>, _ startKey: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var c = start
        var k = startKey
        for _ in 0..<10 {
            let a = UInt64(c[0]) &* 0xD251_1F53
            let b = UInt64(c[2]) &* 0xCD9E_8D57
            c = SIMD4(
                UInt32(truncatingIfNeeded: b >> 32) ^ c[1] ^ k[0], UInt32(truncatingIfNeeded: b),
                UInt32(truncatingIfNeeded: a >> 32) ^ c[3] ^ k[1], UInt32(truncatingIfNeeded: a))
            k = SIMD2(k[0] &+ 0x9E37_79B9, k[1] &+ 0xBB67_AE85)
        }
        return c
    }

    /// Writes the blocks of a counter and the seven after it.
    @inline(__always)
    private static func eightBlocks(
        _ start: SIMD4<UInt32>, _ startKey: SIMD2<UInt32>, into words: UnsafeMutablePointer<UInt32>
    ) {
        var c0 = SIMD8(repeating: start[0]) &+ SIMD8(0, 1, 2, 3, 4, 5, 6, 7)
        var (c1, c2, c3) = (SIMD8(repeating: start[1]), SIMD8(repeating: start[2]), SIMD8(repeating: start[3]))
        var k = startKey
        for _ in 0..<10 {
            let (a, b) = (product(c0, 0xD251_1F53), product(c2, 0xCD9E_8D57))
            (c0, c1) = (b.high ^ c1 ^ SIMD8(repeating: k[0]), b.low)
            (c2, c3) = (a.high ^ c3 ^ SIMD8(repeating: k[1]), a.low)
            k = SIMD2(k[0] &+ 0x9E37_79B9, k[1] &+ 0xBB67_AE85)
        }
        for block in 0..<8 {
            words[4 * block] = c0[block]
            words[4 * block + 1] = c1[block]
            words[4 * block + 2] = c2[block]
            words[4 * block + 3] = c3[block]
        }
    }

    @inline(__always)
    private static func product(
        _ values: SIMD8<UInt32>, _ factor: UInt64
    ) -> (high: SIMD8<UInt32>, low: SIMD8<UInt32>) {
        let wide = SIMD8<UInt64>(truncatingIfNeeded: values) &* SIMD8(repeating: factor)
        return (SIMD8(truncatingIfNeeded: wide &>> 32), SIMD8(truncatingIfNeeded: wide))
    }

    /// The number in [0, 1) that ``uniform()`` makes of a word.
    @inline(__always)
    public static func uniform(_ word: UInt32) -> Float { Float(word >> 8) * 0x1p-24 }

    /// SplitMix64's finalizer: spreads seeds that differ in a few bits over the whole key.
    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
