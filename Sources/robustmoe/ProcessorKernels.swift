import CHardware
import Files
import Foundation

/// Makes OpenBLAS use the widest kernels that the processor has.
///
/// A library older than its processor falls back to narrower kernels: OpenBLAS 0.3.21 takes AVX2 on a Zen 5, at half the
/// rate of the AVX-512 kernels that it contains. It reads `OPENBLAS_CORETYPE` once, when it is loaded, so the program
/// sets the variable and starts itself anew. A value that the user gave is left alone.
enum ProcessorKernels {
    private static let variable = "OPENBLAS_CORETYPE"
    private static let avx512 = ["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"]

    /// Throws if the program is built for instructions that this processor does not have: it would end by a signal.
    static func requireInstructions() throws {
        let (built, found) = (CHardware_builtLevel(), CHardware_level())
        guard found < built else { return }
        throw RunError.wrongProcessor(
            "this program is built for processors of level x86-64-v\(built), this one is of level x86-64-v\(found); "
                + "ROBUSTMOE_MARCH=x86-64\(found > 1 ? "-v\(found)" : "") launch/build makes one for it")
    }

    static func choose() {
        guard getenv(variable) == nil, hasAVX512 else { return }
        setenv(variable, "SkylakeX", 1)
        var arguments = CommandLine.arguments.map { strdup($0) }
        arguments.append(nil)
        execv("/proc/self/exe", &arguments)
        // Where the program cannot be started anew, narrower kernels give the same results, slower.
        arguments.forEach { free($0) }
    }

    private static var hasAVX512: Bool {
        let flags = Set((KernelText.processor.value("flags") ?? "").split(separator: " "))
        return avx512.allSatisfy { flags.contains(Substring($0)) }
    }
}
