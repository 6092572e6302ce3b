import BuildRecord
import CHardware
import Collectives
import Foundation
import Tensors

/// What this program is.
package enum Version {
    /// Semantic version of this build.
    package static let current = "0.1.0"

    /// The commit that it was built from; where the build could not know, what the launcher's environment says.
    static var commit: String {
        let built = BuildRecord.commit
        guard built == "unknown" else { return built }
        return ProcessInfo.processInfo.environment["ROBUSTMOE_COMMIT"] ?? built
    }

    /// What the compiler calls itself.
    static var compiler: String { BuildRecord.compiler }

    /// How it was built: optimized or not, for which processors.
    static var build: String {
        #if DEBUG
            let kind = "debug"
        #else
            let kind = "release"
        #endif
        let level = CHardware_builtLevel()
        let processor = level == 0 ? "other processors" : level == 1 ? "x86-64" : "x86-64-v\(level)"
        return "\(kind) for \(processor)\(CHardware_multipliesPairs() == 1 ? " with AVX512-BF16" : "")"
    }

    /// All that tells it from other builds, in lines, the first of which is the version alone.
    package static var details: String {
        """
        \(current)
        commit \(commit)
        built as \(build) by \(compiler)
        on \(MPICommunicator.libraryVersion), \(MatrixProduct.libraryDescription)
        """
    }
}
