import COpenBLAS
import Synchronization

/// What a matrix product is part of: executed multiply-adds are counted for each apart.
public enum ProductPurpose: Int, CaseIterable, Sendable {
    case convolution, classifier, router
}

/// The one place that calls BLAS.
///
/// OpenBLAS runs one thread; parallel loops are ours.
public enum MatrixProduct {
    private static let convolutionCount = Atomic<Int>(0)
    private static let classifierCount = Atomic<Int>(0)
    private static let routerCount = Atomic<Int>(0)

    /// Computes `c = op(a) op(b)`, or `c += op(a) op(b)`, row-major, where op(a) is m×k, op(b) is k×n and c is m×n.
    ///
    /// - Parameters:
    ///   - leadingA: Elements between the rows of `a` as it is stored; likewise `leadingB`, `leadingC`.
    ///   - accumulate: Adds to `c` instead of overwriting it.
    ///   - purpose: Under which heading the m·n·k multiply-adds are counted.
    @inline(__always)
    public static func multiply(
        _ m: Int, _ n: Int, _ k: Int,
        _ a: UnsafePointer<Float>, _ leadingA: Int, transposeA: Bool = false,
        _ b: UnsafePointer<Float>, _ leadingB: Int, transposeB: Bool = false,
        into c: UnsafeMutablePointer<Float>, _ leadingC: Int, accumulate: Bool = false,
        purpose: ProductPurpose = .convolution
    ) {
        count(m * n * k, purpose)
        guard m > 0, n > 0 else { return }
        cblas_sgemm(
            CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
            Int32(m), Int32(n), Int32(k), 1, a, Int32(leadingA), b, Int32(leadingB), accumulate ? 1 : 0,
            c, Int32(leadingC))
    }

    /// Writes the transpose of a row-major `rows`×`columns` matrix.
    public static func transpose(
        _ rows: Int, _ columns: Int, _ a: UnsafePointer<Float>, into b: UnsafeMutablePointer<Float>
    ) {
        cblas_somatcopy(CblasRowMajor, CblasTrans, Int32(rows), Int32(columns), 1, a, Int32(columns), b, Int32(rows))
    }

    /// Adds the transpose of a row-major `rows`×`columns` matrix to `b`.
    public static func addTranspose(
        _ rows: Int, _ columns: Int, _ a: UnsafePointer<Float>, to b: UnsafeMutablePointer<Float>
    ) {
        for column in 0..<columns {
            let target = b + column * rows
            for row in 0..<rows { target[row] += a[row * columns + column] }
        }
    }

    /// Returns the multiply-adds executed for `purpose` since the process started.
    public static func executedMultiplyAdds(_ purpose: ProductPurpose) -> Int {
        switch purpose {
        case .convolution: convolutionCount.load(ordering: .relaxed)
        case .classifier: classifierCount.load(ordering: .relaxed)
        case .router: routerCount.load(ordering: .relaxed)
        }
    }

    /// Counts the multiply-adds of a product, wherever it is computed.
    static func count(_ multiplyAdds: Int, _ purpose: ProductPurpose) {
        switch purpose {
        case .convolution: convolutionCount.wrappingAdd(multiplyAdds, ordering: .relaxed)
        case .classifier: classifierCount.wrappingAdd(multiplyAdds, ordering: .relaxed)
        case .router: routerCount.wrappingAdd(multiplyAdds, ordering: .relaxed)
        }
    }

    /// Tells OpenBLAS to use the calling thread alone; call before the first product.
    public static func useOneThread() {
        openblas_set_num_threads(1)
    }

    /// The most multiply-adds of a product that OpenBLAS computes where its matrices lie, without packing them; nil where
    /// its kernels always pack.
    ///
    /// OpenBLAS 0.3 has such kernels for processors with AVX-512 (interface/gemm.c, `small_matrix_permit`).
    static let largestUnpackedProduct: Int? =
        ["SkylakeX", "Cooperlake", "SapphireRapids"].contains(kernelName) ? 1_000_000 : nil

    /// The kernel family that OpenBLAS picked at run time, such as "SkylakeX".
    public static var kernelName: String { String(cString: openblas_get_corename()) }

    /// OpenBLAS's own description of its version and build.
    public static var libraryDescription: String { String(cString: openblas_get_config()) }
}
