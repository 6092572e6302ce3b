import CHardware
import Collectives
import Files
import Foundation
import Tensors

/// What a host has for the ranks on it: processor, kernels of BLAS, memory, limits, interfaces.
struct HostChecks {
    /// The ranks on this host, and in the job.
    let ranksOfHost: Int
    let ranks: Int

    /// All of them.
    func run() -> [DoctorCheck] {
        [processor, kernels, cores, memory, sharedMemory, descriptors, lockedMemory].compactMap { $0 }
    }

    private var processor: DoctorCheck {
        let (built, found) = (Int(CHardware_builtLevel()), Int(CHardware_level()))
        let name = KernelText.processor.value("model name") ?? "unknown"
        let text = "\(name), level x86-64-v\(found); the program is built for x86-64-v\(built)"
        if found == 0 { return .ok("processor", "\(name), not x86-64") }
        if found < built {
            return .error("processor", text, advice: "ROBUSTMOE_MARCH=x86-64-v\(found) launch/build")
        }
        // A build for level 3 is the usual one and runs everywhere; a level 4 machine gains by its own.
        if found > built, built < 3 {
            return .warning("processor", text, advice: "launch/build on this machine makes a faster program")
        }
        return .ok("processor", text)
    }

    private var kernels: DoctorCheck {
        Self.kernels(
            named: MatrixProduct.kernelName, level: Int(CHardware_level()), library: MatrixProduct.libraryDescription)
    }

    /// Whether the kernels of BLAS are of the processor's widest instructions.
    static func kernels(named name: String, level: Int, library: String) -> DoctorCheck {
        let wide = ["skylakex", "cooperlake", "sapphirerapids"]
        let fused = wide + ["haswell", "zen"]
        let text = "OpenBLAS kernels \(name) (\(library))"
        let lower = name.lowercased()
        if level == 4, !wide.contains(lower) {
            return .warning(
                "blas", "\(text), the processor has AVX-512",
                advice: "leave OPENBLAS_CORETYPE unset, or set it to SkylakeX")
        }
        if level == 3, !fused.contains(lower) {
            return .warning(
                "blas", "\(text), the processor has AVX2",
                advice: "leave OPENBLAS_CORETYPE unset, or set it to Haswell")
        }
        return .ok("blas", text)
    }

    private var cores: DoctorCheck {
        let machine = MachineShape()
        let quota = ControlGroup.ofThisProcess().processorQuota
        return .ok(
            "cores",
            "\(machine.cores) for this process, \(machine.processorsPerCore) processor"
                + "\(machine.processorsPerCore == 1 ? "" : "s") each, in \(machine.domains.count) NUMA domain"
                + "\(machine.domains.count == 1 ? "" : "s"), of \(CoreSet.onlineCount) processors"
                + (quota.map { "; a quota of \($0) cores" } ?? ""))
    }

    private var memory: DoctorCheck {
        let available = (KernelText.memory.value("MemAvailable")?.split(separator: " ").first).flatMap { Int($0) } ?? 0
        return Self.memory(
            available: available << 10, limit: ControlGroup.ofThisProcess().memoryLimit, ranks: ranksOfHost)
    }

    /// Whether each rank gets what a small network takes.
    static func memory(available: Int, limit: Int?, ranks: Int) -> DoctorCheck {
        let bytes = min(available, limit ?? .max)
        let text =
            "\(bytes >> 20) MiB for \(ranks) rank\(ranks == 1 ? "" : "s")"
            + (limit.map { ", the job's limit being \($0 >> 20) MiB" } ?? "")
        if bytes / max(1, ranks) < 256 << 20 {
            return .warning(
                "memory", text, advice: "fewer ranks on the host, or more memory; robustmoe plan says what a run takes")
        }
        return .ok("memory", text)
    }

    /// Ranks of a host exchange by files there.
    private var sharedMemory: DoctorCheck? {
        var status = statvfs()
        guard statvfs("/dev/shm", &status) == 0 else {
            return .warning("shared memory", "no /dev/shm", advice: "mount it (containers: --shm-size=1g)")
        }
        let free = Int(status.f_bavail) * Int(status.f_frsize)
        let text = "\(free >> 20) MiB free in /dev/shm"
        // Open MPI takes some 4 MiB for each pair of neighbours, and 16 for each rank.
        return ranksOfHost > 1 && free < ranksOfHost * 32 << 20
            ? .warning("shared memory", text, advice: "a larger /dev/shm (containers: --shm-size=1g)")
            : .ok("shared memory", text)
    }

    private var descriptors: DoctorCheck {
        let limit = Self.limit("Max open files")
        // A connection to each rank, and what MPI and the program hold open.
        let wanted = 256 + 4 * ranks
        let text = "\(limit.map(String.init) ?? "unlimited") for a process"
        return limit.map { $0 < wanted } == true
            ? .warning("open files", text, advice: "ulimit -n \(max(4096, wanted)) before the job starts")
            : .ok("open files", text)
    }

    /// Networks that write into memory by themselves need it locked.
    private var lockedMemory: DoctorCheck? {
        let devices = (try? FileSystem.entries(of: "/sys/class/infiniband")) ?? []
        guard !devices.isEmpty else { return nil }
        let limit = Self.limit("Max locked memory")
        let text = "\(limit.map { "\($0 >> 10) KiB" } ?? "unlimited"), devices \(devices.joined(separator: ", "))"
        return limit.map { $0 < 1 << 30 } == true
            ? .warning("locked memory", text, advice: "ulimit -l unlimited (limits.conf, or the scheduler's settings)")
            : .ok("locked memory", text)
    }

    /// The present limit of a resource by its name in the kernel's table; nil where there is none.
    ///
    /// Source: proc(5), `/proc/PID/limits`.
    static func limit(
        _ name: String, in table: String? = try? String(contentsOfFile: "/proc/self/limits", encoding: .utf8)
    ) -> Int? {
        let line = (table ?? "").split(separator: "\n").first { $0.hasPrefix(name) }
        return line.flatMap { Int($0.dropFirst(name.count).split(separator: " ").first ?? "") }
    }
}
