import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("locks of run directories")
struct RunLockTests {
    let scratch: ScratchFolder
    init() throws { scratch = try ScratchFolder() }

    private func holder(_ host: String = "here", process: Int32 = getpid(), job: String? = nil) -> RunLock.Holder {
        RunLock.Holder(host: host, process: process, job: job, since: Date(timeIntervalSince1970: 0))
    }

    private func take(_ holder: RunLock.Holder? = nil) throws -> RunLock {
        try RunLock(scratch("run"), holder: holder ?? self.holder())
    }

    /// Leaves a lock behind as a process does that was killed.
    private func leave(_ holder: RunLock.Holder, secondsAgo: Double) throws {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        try scratch.write(encoder.encode(holder), to: "run/run.lock")
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -secondsAgo)], ofItemAtPath: scratch("run/run.lock"))
    }

    @Test("a second holder is refused with the first one's host, process, job and age; afterwards nothing is left")
    func held() throws {
        var lock: RunLock? = try take(holder("node7", job: "99"))
        #expect {
            _ = try take()
        } throws: { error in
            let text = "\(error)"
            return text.contains("process \(getpid()) on node7, job 99") && text.contains("1970-01-01T00:00:00Z")
                && (error as? RunDirectoryError)?.exitStatus == .usage
        }
        #expect(lock != nil)
        #expect(try scratch.names(in: "run") == ["run.lock"])
        lock = nil
        #expect(!scratch.exists("run"))
        _ = try take()
    }

    @Test("a directory that was there stays, with what is in it")
    func keeps() throws {
        try scratch.write("mine", to: "run/notes.txt")
        _ = try take()
        #expect(try scratch.names(in: "run") == ["notes.txt"])
    }

    @Test("what a killed process of this host left is taken over at once")
    func killed() throws {
        try leave(holder(process: 1), secondsAgo: 0)
        _ = try take()
    }

    @Test("another host's lock holds for a minute after it was renewed, but not against the same job")
    func otherHost() throws {
        try leave(holder("there"), secondsAgo: 30)
        #expect(throws: RunDirectoryError.self) { _ = try take() }
        try leave(holder("there"), secondsAgo: RunLock.longestSilence + 5)
        _ = try take()
        try leave(holder("there", job: "7"), secondsAgo: 1)
        #expect(throws: RunDirectoryError.self) { _ = try take(holder(job: "8")) }
        _ = try take(holder(job: "7"))
    }

    @Test("without the system's lock, a process of this host counts as long as it lives")
    func withoutSystemLock() {
        let own = holder(process: 2)
        #expect(!RunLock.isGone(holder(process: getppid()), 1e6, false, to: own))
        #expect(RunLock.isGone(holder(process: Int32.max), 0, false, to: own))
    }

    @Test("a file in the directory's place is refused")
    func file() throws {
        try scratch.write("mine", to: "run")
        #expect(throws: RunDirectoryError.notDirectory(path: scratch("run"))) { _ = try take() }
    }
}
