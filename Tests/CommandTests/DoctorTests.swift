import Foundation
import Testing

extension CommandSuite {
    @Suite("The doctor", .serialized)
    struct DoctorTests {
        private struct Report: Decodable {
            struct Check: Decodable {
                let check: String
                let status: String
                let found: String
                let advice: String?
                let hosts: [String]
            }
            let verdict: String
            let exitStatus: Int
            let checks: [Check]
        }

        private func doctor(
            _ arguments: [String] = [], ranks: Int? = nil, environment: [String: String] = [:]
        ) throws -> (outcome: CommandJob.Outcome, report: Report) {
            let output = try Scratch.folder() + "/runs"
            let outcome = try robustmoe(
                ["doctor", "--json", "--output", output] + arguments, ranks: ranks, environment: environment)
            #expect(!Scratch.exists(output))
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return (outcome, try decoder.decode(Report.self, from: Data(outcome.output.utf8)))
        }

        @Test("a plain process checks its machine, and its verdict is its status")
        func plain() throws {
            let (outcome, report) = try doctor()
            #expect(outcome.status == report.exitStatus && report.exitStatus == 0, "\(outcome.output)")
            let names = report.checks.map(\.check)
            for name in ["launch", "processor", "blas", "cores", "memory", "open files", "mpi", "program", "storage"] {
                #expect(names.contains(name), "\(name) of \(names)")
            }
            #expect(report.checks.allSatisfy { ($0.advice == nil) == ($0.status == "ok") })
        }

        @Test("under mpirun it tells the transports and times sums", .enabled(if: CommandJob.hasMPI, "no mpirun"))
        func launched() throws {
            let (outcome, report) = try doctor(ranks: 2)
            #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
            #expect(report.checks.contains { $0.check == "mpi" && $0.found.contains("thread level") })
            #expect(report.checks.contains { $0.check == "transports" && $0.found.contains("pml") })
            #expect(report.checks.filter { $0.check == "all-reduce" }.map { $0.found.prefix(2) } == ["1 ", "64"])
            #expect(report.checks.contains { $0.check == "shared directory" && $0.status == "ok" })
        }

        @Test(
            "what would start ranks alone, and a place that cannot be written to, end with 7",
            arguments: [(["PMIX_RANK": "0"], []), ([:], ["--output", "/proc/no"])] as [([String: String], [String])])
        func fails(_ environment: [String: String], _ arguments: [String]) throws {
            let outcome = try robustmoe(["doctor"] + arguments, environment: environment)
            #expect(outcome.status == 7)
            #expect(outcome.output.contains("verdict: runs will fail; 1 error"), "\(outcome.output)")
        }
    }
}
