// Two-tap transforms for the phases of a stride-2 filter. A phase of even samples has one tap, (w1, 0), which has no
// component at the point ∞, the last one: that product is skipped.

/// F(4, 2) with the points 0, ±1, 2, ∞: with the skipped ones, 81 products for 16 outputs of a stride-2 3×3 filter.
enum WinogradPhase4: WinogradTransform {
    @inline(__always) static var outputs: Int { 4 }
    @inline(__always) static var taps: Int { 2 }

    @inline(__always)
    static func input(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let d1 = from(1)
        let d2 = from(2)
        let d3 = from(3)
        let e = d3 - d1
        to(0, 2 * (from(0) - d2) + e)
        to(1, d3 - d2 - 2 * d1)
        to(2, d3 - 3 * d2 + 2 * d1)
        to(3, e)
        to(4, from(4) - d2 - 2 * e)
    }

    @inline(__always)
    static func output(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let m1 = from(1)
        let m2 = from(2)
        let m3 = from(3)
        let p = m1 + m2
        let q = m1 - m2
        to(0, from(0) + p + m3)
        to(1, q + 2 * m3)
        to(2, p + 4 * m3)
        to(3, q + 8 * m3 + from(4))
    }

    @inline(__always)
    static func outputAdjoint(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let y0 = from(0)
        let y1 = from(1)
        let y2 = from(2)
        let y3 = from(3)
        let p = y0 + y2
        let q = y1 + y3
        to(0, y0)
        to(1, p + q)
        to(2, p - q)
        to(3, y0 + 2 * y1 + 4 * y2 + 8 * y3)
        to(4, y3)
    }

    @inline(__always)
    static func filter(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let g0 = from(0)
        let g1 = from(1)
        to(0, g0 * 0.5)
        to(1, (g0 + g1) * -0.5)
        to(2, (g1 - g0) * (1 / 6))
        to(3, (g0 + 2 * g1) * (1 / 6))
        to(4, g1)
    }

    @inline(__always)
    static func filterAdjoint(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let h = from(1) * 0.5
        let p = from(2) * (1 / 6)
        let q = from(3) * (1 / 6)
        to(0, from(0) * 0.5 - h - p + q)
        to(1, p - h + 2 * q + from(4))
    }
}

/// F(2, 2) with the points 0, 1, ∞: 25 products for 4 outputs of a stride-2 3×3 filter, a third of F(4, 2)'s filter memory.
enum WinogradPhase2: WinogradTransform {
    @inline(__always) static var outputs: Int { 2 }
    @inline(__always) static var taps: Int { 2 }

    @inline(__always)
    static func input(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let d1 = from(1)
        to(0, from(0) - d1)
        to(1, d1)
        to(2, from(2) - d1)
    }

    @inline(__always)
    static func output(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let m1 = from(1)
        to(0, from(0) + m1)
        to(1, m1 + from(2))
    }

    @inline(__always)
    static func outputAdjoint(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let y0 = from(0)
        let y1 = from(1)
        to(0, y0)
        to(1, y0 + y1)
        to(2, y1)
    }

    @inline(__always)
    static func filter(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let g0 = from(0)
        let g1 = from(1)
        to(0, g0)
        to(1, g0 + g1)
        to(2, g1)
    }

    @inline(__always)
    static func filterAdjoint(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let m1 = from(1)
        to(0, from(0) + m1)
        to(1, m1 + from(2))
    }
}
