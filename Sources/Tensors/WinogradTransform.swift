/// The one-dimensional transforms of Winograd's minimal filtering F(m, 3) (Lavin & Gray, arXiv:1509.09308).
///
/// With n = m + 2: y = Aᵀ[(G g) ⊙ (Bᵀ d)]. Two-dimensional transforms apply these along columns, then rows. The map
/// is linear in d and in g, so gradients use the adjoints: dg = Gᵀ[(Bᵀ d) ⊙ (A dy)]. Strides count vectors.
protocol WinogradTransform {
    /// Outputs of a tile side, m.
    static var outputs: Int { get }
    /// Bᵀ, n → n.
    static func input(_ s: VectorPointer, _ ss: Int, _ d: VectorPointer, _ ds: Int)
    /// Aᵀ, n → m.
    static func output(_ s: VectorPointer, _ ss: Int, _ d: VectorPointer, _ ds: Int)
    /// A, m → n.
    static func outputAdjoint(_ s: VectorPointer, _ ss: Int, _ d: VectorPointer, _ ds: Int)
    /// G, 3 → n.
    static func filter(_ s: VectorPointer, _ ss: Int, _ d: VectorPointer, _ ds: Int)
    /// Gᵀ, n → 3.
    static func filterAdjoint(_ s: VectorPointer, _ ss: Int, _ d: VectorPointer, _ ds: Int)
}

extension WinogradTransform {
    /// Inputs of a tile side, n.
    @inline(__always) static var inputs: Int { outputs + 2 }
    /// Products of a tile and channel pair, n².
    @inline(__always) static var points: Int { inputs * inputs }
}

/// F(4, 3) with the points 0, ±1, ±2, ∞: 36 products for 16 outputs, a quarter of the direct multiply-adds.
enum Winograd4: WinogradTransform {
    @inline(__always) static var outputs: Int { 4 }

    @inline(__always)
    static func input(_ s: VectorPointer, _ ss: Int, _ d: VectorPointer, _ ds: Int) {
        let d0 = s[0]
        let d1 = s[ss]
        let d2 = s[2 * ss]
        let d3 = s[3 * ss]
        let d4 = s[4 * ss]
        let d5 = s[5 * ss]
        let p = d4 - 4 * d2
        let q = d3 - 4 * d1
        let u = d4 - d2
        let e = 2 * (d3 - d1)
        d[0] = 4 * d0 - 5 * d2 + d4
        d[ds] = p + q
        d[2 * ds] = p - q
        d[3 * ds] = u + e
        d[4 * ds] = u - e
        d[5 * ds] = 4 * d1 - 5 * d3 + d5
    }

    @inline(__always)
    static func output(_ s: VectorPointer, _ ss: Int, _ d: VectorPointer, _ ds: Int) {
        let p = s[ss] + s[2 * ss]
        let q = s[ss] - s[2 * ss]
        let u = s[3 * ss] + s[4 * ss]
        let e = s[3 * ss] - s[4 * ss]
        d[0] = s[0] + p + u
        d[ds] = q + 2 * e
        d[2 * ds] = p + 4 * u
        d[3 * ds] = q + 8 * e + s[5 * ss]
    }

    @inline(__always)
    static func outputAdjoint(_ s: VectorPointer, _ ss: Int, _ d: VectorPointer, _ ds: Int) {
        let y0 = s[0]
        let y1 = s[ss]
        let y2 = s[2 * ss]
        let y3 = s[3 * ss]
        let p = y0 + y2
        let q = y1 + y3
        let u = y0 + 4 * y2
        let e = 2 * y1 + 8 * y3
        d[0] = y0
        d[ds] = p + q
        d[2 * ds] = p - q
        d[3 * ds] = u + e
        d[4 * ds] = u - e
        d[5 * ds] = y3
    }

    @inline(__always)
    static func filter(_ s: VectorPointer, _ ss: Int, _ d: VectorPointer, _ ds: Int) {
        let g0 = s[0]
        let g1 = s[ss]
        let g2 = s[2 * ss]
        let p = (g0 + g2) * (-1 / 6)
        let q = g1 * (1 / 6)
        let u = g0 * (1 / 24) + g2 * (1 / 6)
        let e = g1 * (1 / 12)
        d[0] = g0 * 0.25
        d[ds] = p - q
        d[2 * ds] = p + q
        d[3 * ds] = u + e
        d[4 * ds] = u - e
        d[5 * ds] = g2
    }

    @inline(__always)
    static func filterAdjoint(_ s: VectorPointer, _ ss: Int, _ d: VectorPointer, _ ds: Int) {
        let p = s[ss] + s[2 * ss]
        let q = s[2 * ss] - s[ss]
        let u = s[3 * ss] + s[4 * ss]
        let e = s[3 * ss] - s[4 * ss]
        d[0] = s[0] * 0.25 - p * (1 / 6) + u * (1 / 24)
        d[ds] = q * (1 / 6) + e * (1 / 12)
        d[2 * ds] = (u - p) * (1 / 6) + s[5 * ss]
    }
}

/// F(2, 3) with the points 0, ±1, ∞: 16 products for 4 outputs; streams less than half of the filter memory of F(4, 3).
enum Winograd2: WinogradTransform {
    @inline(__always) static var outputs: Int { 2 }

    @inline(__always)
    static func input(_ s: VectorPointer, _ ss: Int, _ d: VectorPointer, _ ds: Int) {
        let d0 = s[0]
        let d1 = s[ss]
        let d2 = s[2 * ss]
        let d3 = s[3 * ss]
        d[0] = d0 - d2
        d[ds] = d1 + d2
        d[2 * ds] = d2 - d1
        d[3 * ds] = d1 - d3
    }

    @inline(__always)
    static func output(_ s: VectorPointer, _ ss: Int, _ d: VectorPointer, _ ds: Int) {
        let m1 = s[ss]
        let m2 = s[2 * ss]
        d[0] = s[0] + m1 + m2
        d[ds] = m1 - m2 - s[3 * ss]
    }

    @inline(__always)
    static func outputAdjoint(_ s: VectorPointer, _ ss: Int, _ d: VectorPointer, _ ds: Int) {
        let y0 = s[0]
        let y1 = s[ss]
        d[0] = y0
        d[ds] = y0 + y1
        d[2 * ds] = y0 - y1
        d[3 * ds] = -y1
    }

    @inline(__always)
    static func filter(_ s: VectorPointer, _ ss: Int, _ d: VectorPointer, _ ds: Int) {
        let p = (s[0] + s[2 * ss]) * 0.5
        let q = s[ss] * 0.5
        d[0] = s[0]
        d[ds] = p + q
        d[2 * ds] = p - q
        d[3 * ds] = s[2 * ss]
    }

    @inline(__always)
    static func filterAdjoint(_ s: VectorPointer, _ ss: Int, _ d: VectorPointer, _ ds: Int) {
        let p = (s[ss] + s[2 * ss]) * 0.5
        let q = (s[ss] - s[2 * ss]) * 0.5
        d[0] = s[0] + p
        d[ds] = q
        d[2 * ds] = p + s[3 * ss]
    }
}
