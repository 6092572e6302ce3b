import Foundation

/// The lock of a run directory (`run.lock`): one process works in it at a time, rank zero of its job.
///
/// The system's own lock on the file (`flock`) ends with the process that holds it. Where the directory is shared between hosts
/// and their locks are not, the file tells: it names its holder, and a thread renews its time every few seconds.
package final class RunLock {
    /// Who holds the lock, as it stands in the file.
    package struct Holder: Codable, Equatable, Sendable {
        /// The host's name.
        package let host: String
        /// The number of the process there.
        package let process: Int32
        /// The number of the scheduler's job, if it is part of one.
        package let job: String?
        /// When it took the lock.
        package let since: Date

        /// This process.
        /// - Parameter job: The number of the scheduler's job, if it is part of one.
        package static func current(host: String, job: String?) -> Holder {
            Holder(host: host, process: getpid(), job: job, since: Date())
        }
    }

    package static let fileName = "run.lock"
    /// A holder on another host that has not renewed the lock for so many seconds is gone.
    package static let longestSilence = 60.0
    private static let secondsBetweenBeats: Int32 = 10

    private let directory: String
    private let path: String
    private let descriptor: Int32
    /// Closing it ends the thread that renews the lock.
    private let stop: Int32
    private let madeDirectory: Bool

    /// Takes the lock of a directory, which is made if it is missing.
    ///
    /// - Throws: ``RunDirectoryError/locked(path:holder:age:)`` while another process holds it; nothing is changed then.
    package init(_ directory: String, holder: Holder) throws(RunDirectoryError) {
        if FileSystem.exists(directory), !FileSystem.isDirectory(directory) { throw .notDirectory(path: directory) }
        madeDirectory = !FileSystem.exists(directory)
        self.directory = directory
        path = FileSystem.join(directory, Self.fileName)
        do { try FileSystem.createDirectory(directory) } catch { throw .system(error) }
        descriptor = try Self.taken(path, by: holder)
        stop = Self.beat(descriptor)
    }

    deinit {
        // Removed while it is held, so that nobody waits for a file without a name.
        _ = uninterrupted { unlink(path) }
        close(stop)
        flock(descriptor, LOCK_UN)
        close(descriptor)
        if madeDirectory { try? FileSystem.removeIfEmpty(directory) }
    }

    private static func taken(_ path: String, by holder: Holder) throws(RunDirectoryError) -> Int32 {
        while true {
            let descriptor = uninterrupted { open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666) }
            guard descriptor >= 0 else { throw .system(FileSystemError("open", path, code: errno)) }
            do throws(RunDirectoryError) {
                let isExclusive = try lock(descriptor, path)
                var (own, named) = (stat(), stat())
                // Its last holder may have removed it meanwhile: then the lock is of a file that nobody sees.
                guard fstat(descriptor, &own) == 0, stat(path, &named) == 0, own.st_ino == named.st_ino else {
                    close(descriptor)
                    continue
                }
                if let other = contents(path), let age = age(path), !isGone(other, age, isExclusive, to: holder) {
                    throw .locked(path: path, holder: other, age: age)
                }
                try write(holder, descriptor, path)
                return descriptor
            } catch {
                close(descriptor)
                throw error
            }
        }
    }

    /// Takes the system's lock; false where the file system has none.
    private static func lock(_ descriptor: Int32, _ path: String) throws(RunDirectoryError) -> Bool {
        if uninterrupted({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 { return true }
        guard errno == EWOULDBLOCK else { return false }
        throw .locked(path: path, holder: contents(path), age: age(path) ?? 0)
    }

    /// Whether a holder that the file names is gone.
    /// - Parameter isExclusive: Whether the system's lock is ours, which a process of this host would have kept.
    static func isGone(_ other: Holder, _ age: Double, _ isExclusive: Bool, to holder: Holder) -> Bool {
        if other.host == holder.host {
            return isExclusive || other.process == holder.process || (kill(other.process, 0) != 0 && errno == ESRCH)
        }
        // A job that the scheduler starts anew is the same job: what it was before has ended.
        return age > longestSilence || (other.job != nil && other.job == holder.job)
    }

    private static func contents(_ path: String) -> Holder? {
        guard let bytes = try? InputFile(path).prefix(4096) else { return nil }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return try? decoder.decode(Holder.self, from: Data(bytes))
    }

    /// Seconds since the lock was renewed, by the clock of the file system; nil where the file is gone.
    private static func age(_ path: String) -> Double? {
        var (status, now) = (stat(), stat())
        guard stat(path, &status) == 0 else { return nil }
        let probe = path + ".\(getpid())"
        let descriptor = uninterrupted { open(probe, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666) }
        guard descriptor >= 0 else { return 0 }
        defer {
            close(descriptor)
            _ = uninterrupted { unlink(probe) }
        }
        guard fstat(descriptor, &now) == 0 else { return 0 }
        return max(0, Double(now.st_mtim.tv_sec - status.st_mtim.tv_sec))
    }

    private static func write(
        _ holder: Holder, _ descriptor: Int32, _ path: String
    ) throws(RunDirectoryError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        encoder.dateEncodingStrategy = .iso8601
        let bytes = Array((try? encoder.encode(holder)) ?? Data()) + Array("\n".utf8)
        guard uninterrupted({ ftruncate(descriptor, 0) }) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
            throw .system(FileSystemError("write", path, code: errno))
        }
        do {
            try bytes.span.bytes.withUnsafeBytes { (buffer) throws(FileSystemError) in
                try writeWhole(buffer, to: descriptor, path: path)
            }
        } catch { throw .system(error) }
    }

    /// Starts a thread that renews the time of the file, and returns what ends it when it is closed.
    private static func beat(_ lock: Int32) -> Int32 {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return -1 }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let (reading, file) = (ends[0], fcntl(lock, F_DUPFD_CLOEXEC, 0))
        Thread.detachNewThread {
            var waiting = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
            while true {
                let count = poll(&waiting, 1, secondsBetweenBeats * 1000)
                if count > 0 { break }
                if count == 0 { futimens(file, nil) }
            }
            close(reading)
            close(file)
        }
        return ends[1]
    }
}
