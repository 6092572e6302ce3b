import CZlib
import Foundation
import TestSupport
import Testing

@testable import Datasets

extension ScratchFolder {
    /// Writes a file, by gzip if that is asked for, and returns its path.
    @discardableResult
    func write(_ name: String, _ bytes: [UInt8], compressed: Bool = false) throws -> String {
        let file = try write(compressed ? [] : bytes, to: name)
        if compressed {
            let handle = gzopen(file, "wb")
            gzwrite(handle, bytes, UInt32(bytes.count))
            gzclose(handle)
        }
        return file
    }
}

/// Expects exactly this error and returns what it says.
@discardableResult
func expectError(_ expected: DatasetError, _ body: () throws(DatasetError) -> ImageSet) -> String {
    do {
        let set = try body()
        Issue.record("expected \(expected), but \(set.count) images were loaded")
    } catch {
        #expect(error == expected)
        return error.description
    }
    return ""
}

/// Real data that stand beside the repository or where a package of the system puts them.
enum RealData {
    static let shared =
        ProcessInfo.processInfo.environment["ROBUSTMOE_SHARED"]
        ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("shared").path
    static var folder: String { shared + "/data" }
    static var hasCifar: Bool {
        FileManager.default.fileExists(atPath: folder + "/cifar-10-batches-bin/data_batch_1.bin")
            && FileManager.default.fileExists(atPath: folder + "/cifar-100-binary/train.bin")
    }
    static var hasFashion: Bool {
        FileManager.default.fileExists(atPath: "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")
    }
}
