/// What Open MPI moves data by.
public enum MPITransports {
    /// The variable that says which networks ranks of several hosts use, such as `10.0.0.0/16`.
    public static let networksVariable = "OMPI_MCA_btl_tcp_if_include"

    /// The components that move data which this process has loaded, such as `btl tcp`, sorted; none where they are built into
    /// the library.
    public static var loaded: [String] {
        components(in: kernelText("/proc/self/maps") ?? "")
    }

    /// Those among the files that a process has mapped.
    static func components(in maps: String) -> [String] {
        var names: Set<String> = []
        for line in maps.split(separator: "\n") {
            guard let name = line.split(separator: "/").last, name.hasPrefix("mca_"), name.contains(".so") else {
                continue
            }
            let parts = name.prefix { $0 != "." }.split(separator: "_", maxSplits: 2)
            if parts.count == 3, ["pml", "btl", "mtl"].contains(parts[1]) { names.insert("\(parts[1]) \(parts[2])") }
        }
        return names.sorted()
    }
}
