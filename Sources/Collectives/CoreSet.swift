import Foundation

/// A set of cores, each a number by which the kernel schedules (a hardware thread where cores have several).
public struct CoreSet: Equatable, Sendable, CustomStringConvertible {
    /// The cores' numbers, ascending, each once.
    public let numbers: [Int]

    /// How many cores there are.
    public var count: Int { numbers.count }

    /// Makes a set of the cores with these numbers.
    public init(_ numbers: some Sequence<Int>) {
        self.numbers = Set(numbers).sorted()
    }

    /// Reads the kernel's notation, such as `0-3,8,10-11`; nil when it is none.
    public init?(parsing list: String) {
        var numbers: [Int] = []
        for item in list.split(separator: ",", omittingEmptySubsequences: false) {
            let bounds = item.split(separator: "-", omittingEmptySubsequences: false)
                .map { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
            guard bounds.count <= 2, let first = bounds.first ?? nil, let last = bounds.last ?? nil,
                0 <= first, first <= last, last < 1 << 20
            else { return nil }
            numbers += first...last
        }
        self.init(numbers)
    }

    /// The cores that this process may run on: its affinity mask, or all that are online when that cannot be read.
    public static func ofThisProcess() -> CoreSet {
        let status = kernelText("/proc/self/status") ?? ""
        let label = "Cpus_allowed_list:"
        for line in status.split(separator: "\n") where line.hasPrefix(label) {
            if let set = CoreSet(parsing: String(line.dropFirst(label.count))) { return set }
        }
        return CoreSet(0..<onlineCount)
    }

    /// The number of cores of this host that are online, whoever may use them.
    public static var onlineCount: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    /// The set in the kernel's notation, such as `0-3,8`.
    public var description: String {
        var runs: [ClosedRange<Int>] = []
        for number in numbers {
            if let last = runs.last, last.upperBound + 1 == number {
                runs[runs.count - 1] = last.lowerBound...number
            } else {
                runs.append(number...number)
            }
        }
        return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ",")
    }
}
