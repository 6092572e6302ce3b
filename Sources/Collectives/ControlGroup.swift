import Foundation

/// What the control groups of Linux let a process have: schedulers and containers limit jobs so.
///
/// Versions 1 and 2 are read; of the groups that lie in each other the narrowest counts.
///
/// Source: the kernel's documentation, admin-guide/cgroup-v1 and admin-guide/cgroup-v2.rst.
package struct ControlGroup: Equatable, Sendable {
    /// The most bytes of memory; nil where there is no limit.
    package let memoryLimit: Int?
    /// The most processor time per time, in cores; nil where there is no limit.
    package let processorQuota: Double?
}

extension ControlGroup {
    /// Reads the limits of this process.
    package static func ofThisProcess() -> ControlGroup { ControlGroup(processFolder: "/proc/self") }

    /// Reads the limits of a process; what cannot be read is no limit.
    /// - Parameter processFolder: The folder with its files `cgroup` (the groups it is in) and `mountinfo` (where groups
    ///   are to be seen).
    init(processFolder: String) {
        let memberships = Membership.all(kernelText(processFolder + "/cgroup") ?? "")
        let mounts = (kernelText(processFolder + "/mountinfo") ?? "").split(separator: "\n").compactMap(Mount.init)
        var memory: [Int] = []
        var processors: [Double] = []
        for mount in mounts {
            for membership in memberships where membership.belongs(to: mount) {
                for folder in mount.folders(membership) {
                    memory += [Self.memory(folder, mount)].compactMap { $0 }
                    processors += [Self.processors(folder, mount)].compactMap { $0 }
                }
            }
        }
        memoryLimit = memory.min()
        processorQuota = processors.min()
    }

    private static func memory(_ folder: String, _ mount: Mount) -> Int? {
        let name = mount.isUnified ? "memory.max" : "memory.limit_in_bytes"
        guard let limit = kernelText("\(folder)/\(name)").flatMap(numbers)?.first, limit > 0 else { return nil }
        // Version 1 writes the largest number of whole pages for no limit.
        return limit < 1 << 60 ? limit : nil
    }

    private static func processors(_ folder: String, _ mount: Mount) -> Double? {
        let pair =
            mount.isUnified
            ? kernelText(folder + "/cpu.max").flatMap(numbers)
            : kernelText(folder + "/cpu.cfs_quota_us").flatMap(numbers).flatMap { quota in
                kernelText(folder + "/cpu.cfs_period_us").flatMap(numbers).map { quota + $0 }
            }
        guard let pair, pair.count == 2, pair[0] > 0, pair[1] > 0 else { return nil }
        return Double(pair[0]) / Double(pair[1])
    }

    /// The numbers of a line; nil where it holds anything else, such as `max`.
    private static func numbers(_ text: String) -> [Int]? {
        let words = text.split(whereSeparator: \.isWhitespace).map { Int($0) }
        return words.contains(nil) ? nil : words.compactMap { $0 }
    }
}

/// A line of `/proc/PID/cgroup`: a group that the process is in.
private struct Membership {
    /// The controllers of a group of version 1; none for the group of version 2.
    let controllers: [Substring]
    /// The group's path from the root of its hierarchy.
    let path: String

    /// Reads lines such as `4:memory:/job_7` and `0::/job_7`.
    static func all(_ text: String) -> [Membership] {
        text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return nil }
            return Membership(controllers: fields[1].split(separator: ","), path: String(fields[2]))
        }
    }

    func belongs(to mount: Mount) -> Bool {
        mount.isUnified ? controllers.isEmpty : controllers.contains(where: mount.options.contains)
    }
}

/// A line of `/proc/PID/mountinfo` where a hierarchy of groups is mounted.
private struct Mount {
    /// The group that is seen at the mount point.
    let root: String
    /// The folder of that group.
    let point: String
    /// Whether the hierarchy is that of version 2.
    let isUnified: Bool
    /// The controllers of a hierarchy of version 1, among other words.
    let options: [Substring]

    init?(_ line: Substring) {
        let fields = line.split(separator: " ")
        // Between the fixed fields and the dash there is any number of others.
        guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3 else { return nil }
        let kind = fields[dash + 1]
        guard kind == "cgroup2" || kind == "cgroup" else { return nil }
        root = String(fields[3])
        point = String(fields[4])
        isUnified = kind == "cgroup2"
        options = fields[dash + 3].split(separator: ",")
    }

    /// The folders of a group and of those that it lies in, as far as they are to be seen here.
    func folders(_ membership: Membership) -> [String] {
        var below = Substring(membership.path)
        if root != "/" {
            guard below == root || below.hasPrefix(root + "/") else { return [point] }
            below = below.dropFirst(root.count)
        }
        var folders = [point]
        for part in below.split(separator: "/") {
            // A group outside of the namespace that this process sees.
            if part == ".." { return [point] }
            folders.append("\(folders[folders.count - 1])/\(part)")
        }
        return folders
    }
}
