import Files
import Foundation

/// One thing that a run needs, and how it stands with it.
package struct DoctorCheck: Codable, Equatable, Sendable {
    /// How it stands.
    package enum Status: String, Codable, Comparable, Sendable {
        case ok, warning, error

        package static func < (first: Status, second: Status) -> Bool { first.order < second.order }
        private var order: Int {
            switch self {
            case .ok: 0
            case .warning: 1
            case .error: 2
            }
        }
    }

    /// What was looked at, a word or two.
    package var check: String
    package var status: Status
    /// What was found.
    package var found: String
    /// What to do about it, with what to type; nil where all is well.
    package var advice: String?
    /// The hosts of which it is true.
    package var hosts: [String] = []

    static func ok(_ check: String, _ found: String) -> DoctorCheck {
        DoctorCheck(check: check, status: .ok, found: found)
    }

    static func warning(_ check: String, _ found: String, advice: String) -> DoctorCheck {
        DoctorCheck(check: check, status: .warning, found: found, advice: advice)
    }

    static func error(_ check: String, _ found: String, advice: String) -> DoctorCheck {
        DoctorCheck(check: check, status: .error, found: found, advice: advice)
    }
}

/// What the checks of a job come to.
package struct DoctorReport: Encodable, Equatable, Sendable {
    package let verdict: String
    package let exitStatus: Int32
    package let checks: [DoctorCheck]

    /// Sums checks up; those of several hosts that say the same are one.
    package init(_ all: [DoctorCheck]) {
        var checks: [DoctorCheck] = []
        for check in all {
            let same = checks.firstIndex {
                ($0.check, $0.status, $0.found, $0.advice) == (check.check, check.status, check.found, check.advice)
            }
            if let same { checks[same].hosts += check.hosts } else { checks.append(check) }
        }
        func count(_ status: DoctorCheck.Status, _ noun: String) -> String {
            let number = checks.count { $0.status == status }
            return "\(number) \(noun)\(number == 1 ? "" : "s")"
        }
        switch checks.map(\.status).max() ?? .ok {
        case .ok: verdict = "all is well"
        case .warning: verdict = "runs can start; \(count(.warning, "warning"))"
        case .error: verdict = "runs will fail; \(count(.error, "error")), \(count(.warning, "warning"))"
        }
        exitStatus = (checks.contains { $0.status == .error } ? ExitStatus.environment : .done).rawValue
        self.checks = checks
    }

    /// The report as lines of text; hosts are named where there are several.
    var lines: [String] {
        let all = Set(checks.flatMap(\.hosts)).count
        let width = checks.map(\.check.count).max() ?? 0
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        return checks.flatMap { check -> [String] in
            let place =
                all > 1 && check.hosts.count < all && !check.hosts.isEmpty
                ? check.hosts.prefix(4).joined(separator: ", ") + (check.hosts.count > 4 ? ", ..." : "") + ": " : ""
            let line = "\(padded(check.status.rawValue, 7))  \(padded(check.check, width))  \(place)\(check.found)"
            return [line] + (check.advice.map { [String(repeating: " ", count: width + 11) + "-> " + $0] } ?? [])
        } + ["verdict: \(verdict)"]
    }
}
