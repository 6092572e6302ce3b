import Collectives
import Configuration
import Datasets
import Files
import Networks
import Testing

@testable import Attacks
@testable import Runs

@Suite("Exit statuses")
struct ExitStatusTests {
    private struct Stranger: Error {}

    @Test("every error ends a job with its own status, and a stranger's with that of the environment")
    func statuses() {
        func collective(_ cause: CollectiveError.Cause) -> CollectiveError {
            CollectiveError(call: "MPI_Bcast", rank: 0, size: 2, host: "h", count: nil, cause: cause)
        }
        let expected: [(any Error, Files.ExitStatus)] = [
            (RunError.numerical(""), .numerical), (RunError.replicasDiffer(""), .peer),
            (RunError.unusable(""), .usage), (RunError.checkpoint(""), .checkpoint),
            (NetworkError.invalid(""), .usage), (NetworkError.notFinite(part: "", value: .nan), .numerical),
            (AttackError(description: ""), .numerical),
            (collective(.noAnswer(elapsedSeconds: 1, silent: [])), .peer),
            (collective(.noReturn(elapsedSeconds: 1, standing: [], elsewhere: [])), .peer),
            (collective(.startedTwice), .environment),
            (DatasetError.empty(file: ""), .data),
            (CheckpointError.damaged(path: "", file: "", expected: "", found: ""), .checkpoint),
            (RunDirectoryError.occupied(path: "", found: []), .usage),
            (RunDirectoryError.notDirectory(path: ""), .usage),
            (FileFormatError.malformed(path: "", subject: "", expected: "", found: ""), .environment),
            (Stranger(), .environment),
        ]
        for (error, status) in expected { #expect(Files.ExitStatus(error) == status, "\(error)") }
        #expect {
            _ = try RunConfiguration.resolve(layers: [ConfigurationLayer(override: "a=1")])
        } throws: {
            Files.ExitStatus($0) == .usage
        }
        #expect { _ = try FileSystem.text(of: "/none") } throws: { Files.ExitStatus($0) == .environment }
    }
}
