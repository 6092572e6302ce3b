/// The one-dimensional transforms of Winograd's minimal filtering F(m, r) (Lavin & Gray, arXiv:1509.09308).
///
/// With n = m + r − 1: y = Aᵀ[(G g) ⊙ (Bᵀ d)]. Two-dimensional transforms apply these along columns, then rows. The map
/// is linear in d and in g, so gradients use the adjoints: dg = Gᵀ[(Bᵀ d) ⊙ (A dy)]. Each takes its input from `from`
/// by position and hands its output to `to`.
protocol WinogradTransform {
    /// Outputs of a tile side, m.
    static var outputs: Int { get }
    /// Taps of the filter side, r.
    static var taps: Int { get }
    /// Bᵀ, n → n.
    static func input(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void)
    /// Aᵀ, n → m.
    static func output(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void)
    /// A, m → n.
    static func outputAdjoint(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void)
    /// G, r → n.
    static func filter(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void)
    /// Gᵀ, n → r.
    static func filterAdjoint(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void)
}

extension WinogradTransform {
    /// Inputs of a tile side, n.
    @inline(__always) static var inputs: Int { outputs + taps - 1 }
    /// Products of a tile and channel pair, n².
    @inline(__always) static var points: Int { inputs * inputs }
}

/// F(4, 3) with the points 0, ±1, ±2, ∞: 36 products for 16 outputs, a quarter of the direct multiply-adds.
enum Winograd4: WinogradTransform {
    @inline(__always) static var outputs: Int { 4 }
    @inline(__always) static var taps: Int { 3 }

    @inline(__always)
    static func input(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let d1 = from(1)
        let d2 = from(2)
        let d3 = from(3)
        let d4 = from(4)
        let p = fused(d4, d2, -4)
        let q = fused(d3, d1, -4)
        let u = d4 - d2
        let e = d3 - d1
        to(0, fused(u, from(0) - d2, 4))
        to(1, p + q)
        to(2, p - q)
        to(3, fused(u, e, 2))
        to(4, fused(u, e, -2))
        to(5, fused(from(5) - d3, e, -4))
    }

    @inline(__always)
    static func output(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let m1 = from(1)
        let m2 = from(2)
        let m3 = from(3)
        let m4 = from(4)
        let p = m1 + m2
        let q = m1 - m2
        let u = m3 + m4
        let e = m3 - m4
        to(0, from(0) + p + u)
        to(1, fused(q, e, 2))
        to(2, fused(p, u, 4))
        to(3, fused(q + from(5), e, 8))
    }

    @inline(__always)
    static func outputAdjoint(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let y0 = from(0)
        let y1 = from(1)
        let y2 = from(2)
        let y3 = from(3)
        let p = y0 + y2
        let q = y1 + y3
        let u = fused(y0, y2, 4)
        let e = fused(y1, y3, 4)
        to(0, y0)
        to(1, p + q)
        to(2, p - q)
        to(3, fused(u, e, 2))
        to(4, fused(u, e, -2))
        to(5, y3)
    }

    @inline(__always)
    static func filter(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let g0 = from(0)
        let g1 = from(1)
        let g2 = from(2)
        let p = (g0 + g2) * (-1 / 6)
        let q = g1 * (1 / 6)
        let u = g0 * (1 / 24) + g2 * (1 / 6)
        let e = g1 * (1 / 12)
        to(0, g0 * 0.25)
        to(1, p - q)
        to(2, p + q)
        to(3, u + e)
        to(4, u - e)
        to(5, g2)
    }

    @inline(__always)
    static func filterAdjoint(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let p = from(1) + from(2)
        let q = from(2) - from(1)
        let u = from(3) + from(4)
        let e = from(3) - from(4)
        to(0, from(0) * 0.25 - p * (1 / 6) + u * (1 / 24))
        to(1, q * (1 / 6) + e * (1 / 12))
        to(2, (u - p) * (1 / 6) + from(5))
    }
}

/// F(2, 3) with the points 0, ±1, ∞: 16 products for 4 outputs; streams less than half of the filter memory of F(4, 3).
enum Winograd2: WinogradTransform {
    @inline(__always) static var outputs: Int { 2 }
    @inline(__always) static var taps: Int { 3 }

    @inline(__always)
    static func input(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let d1 = from(1)
        let d2 = from(2)
        to(0, from(0) - d2)
        to(1, d1 + d2)
        to(2, d2 - d1)
        to(3, d1 - from(3))
    }

    @inline(__always)
    static func output(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let m1 = from(1)
        let m2 = from(2)
        to(0, from(0) + m1 + m2)
        to(1, m1 - m2 - from(3))
    }

    @inline(__always)
    static func outputAdjoint(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let y0 = from(0)
        let y1 = from(1)
        to(0, y0)
        to(1, y0 + y1)
        to(2, y0 - y1)
        to(3, -y1)
    }

    @inline(__always)
    static func filter(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let g0 = from(0)
        let g2 = from(2)
        let p = (g0 + g2) * 0.5
        let q = from(1) * 0.5
        to(0, g0)
        to(1, p + q)
        to(2, p - q)
        to(3, g2)
    }

    @inline(__always)
    static func filterAdjoint(_ from: (Int) -> Vector, _ to: (Int, Vector) -> Void) {
        let p = (from(1) + from(2)) * 0.5
        let q = (from(1) - from(2)) * 0.5
        to(0, from(0) + p)
        to(1, q)
        to(2, p + from(3))
    }
}
