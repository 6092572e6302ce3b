import Tensors

/// Nearest points of a hyperplane within the box of images, [0, 1] in every element (Croce and Hein, arXiv:1907.02044,
/// equation 4).
///
/// For an image x and weights w it finds the change δ of least norm with ⟨w, x + δ⟩ = ⟨w, x⟩ − excess and x + δ in the
/// box. With p the distances to the border that each element may go to, δ is ∓min(λ, p) in l-infinity and
/// ∓min(λ|w|, p) in l2, elementwise, with the least λ ≥ 0 for which Σ|w||δ| is the excess; where no λ is large enough,
/// every element goes to its border, and elements without weight stay.
///
/// What λ gives is concave and made of straight pieces, so that Newton's method from λ = 0 rises to the solution, which it
/// meets exactly once it is on the right piece: a few passes over the elements, and no sorting.
struct HyperplaneProjection {
    /// What is least.
    let norm: PerturbationBall.Norm
    /// Elements of an image.
    let count: Int

    /// Elements as whole vectors.
    private var padded: Int { (count + 15) / 16 * 16 }
    /// Floats of scratch memory that one projection needs.
    var scratchCount: Int { 3 * padded }

    /// Writes the change to `change`, and returns its norm.
    ///
    /// Excesses and weights that are not finite move nothing.
    /// - Parameters:
    ///   - x: The image, in [0, 1].
    ///   - weights: The normal vector of the hyperplane.
    ///   - excess: What ⟨w, x⟩ has to lose.
    ///   - scratch: ``scratchCount`` floats.
    func project(
        _ x: UnsafePointer<Float>, along weights: UnsafePointer<Float>, excess: Double,
        into change: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
    ) -> Float {
        let sign: Float = excess < 0 ? -1 : 1
        // The λ at which an element meets its border; what it adds to the sum for each λ before, and in all after.
        let (borders, slopes, limits) = (scratch, scratch + padded, scratch + 2 * padded)
        for tail in count..<padded { (borders[tail], slopes[tail], limits[tail]) = (0, 0, 0) }
        for index in 0..<count {
            let weight = sign * weights[index]
            let room = weight > 0 ? x[index] : weight < 0 ? 1 - x[index] : 0
            let size = abs(weight)
            limits[index] = size * room
            borders[index] = norm == .linf ? room : room / (size + .leastNormalMagnitude)
            slopes[index] = norm == .linf ? size : size * size
        }
        let multiplier = Self.multiplier(for: abs(excess), borders, slopes, limits, count: padded)
        guard multiplier > 0 else {
            change.update(repeating: 0, count: count)
            return 0
        }
        switch norm {
        case .linf:
            for index in 0..<count {
                let step = min(multiplier, borders[index])
                let weight = sign * weights[index]
                change[index] = weight > 0 ? -step : weight < 0 ? step : 0
            }
        case .l2:
            for index in 0..<count {
                let weight = sign * weights[index]
                let room = weight > 0 ? x[index] : weight < 0 ? 1 - x[index] : 0
                let step = borders[index] <= multiplier ? room : multiplier * abs(weight)
                change[index] = weight > 0 ? -step : weight < 0 ? step : 0
            }
        }
        return ImageVector(change, count: count).length(norm)
    }

    /// The least λ for which the sum over elements of min(λ · slope, limit) is `sum`.
    private static func multiplier(
        for sum: Double, _ borders: UnsafePointer<Float>, _ slopes: UnsafePointer<Float>,
        _ limits: UnsafePointer<Float>, count: Int
    ) -> Float {
        var result: Float = 0
        while true {
            // All of these are at least 0, where bit patterns have the order of their numbers.
            let pattern = SIMD16<Int32>(repeating: Int32(bitPattern: result.bitPattern))
            var free = SIMD16<Float>.zero
            var met = SIMD16<Float>.zero
            for offset in stride(from: 0, to: count, by: 16) {
                let isFree = (pattern &- bits(borders, offset)) &>> 31
                free += unsafeBitCast(bits(slopes, offset) & isFree, to: SIMD16<Float>.self)
                met += unsafeBitCast(bits(limits, offset) & ~isFree, to: SIMD16<Float>.self)
            }
            let next = Float((sum - Double(met.sum())) / Double(free.sum()))
            guard next > result else { return result }
            if next == .infinity { return .greatestFiniteMagnitude }
            result = next
        }
    }

    @inline(__always)
    private static func bits(_ pointer: UnsafePointer<Float>, _ offset: Int) -> SIMD16<Int32> {
        UnsafeRawPointer(pointer + offset).loadUnaligned(as: SIMD16<Int32>.self)
    }
}
