import Foundation

/// What the kernel tells of the machine and of this process: texts of lines such as `model name : ...` below `/proc`.
package enum KernelText: String {
    case processor = "/proc/cpuinfo"
    case process = "/proc/self/status"
    case memory = "/proc/meminfo"

    /// What follows the colon on the first line of a name; nil where there is none.
    package func value(_ name: String) -> String? {
        // The size of these files is 0 until they are read, so they are read as a stream.
        guard let text = try? String(contentsOfFile: rawValue, encoding: .utf8) else { return nil }
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2, parts[0].trimmingCharacters(in: .whitespaces) == name {
                return parts[1].trimmingCharacters(in: .whitespaces)
            }
        }
        return nil
    }
}
