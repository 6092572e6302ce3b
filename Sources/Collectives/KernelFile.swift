import Foundation

/// The bytes of one of the kernel's files, below `/proc` or `/sys`; nil where there is none.
///
/// These tell no size and are handed out by the page, so they are read until nothing more comes: Foundation's functions for
/// whole files stop at the first page.
func kernelBytes(_ path: String) -> Data? {
    guard let file = FileHandle(forReadingAtPath: path) else { return nil }
    do { return try file.readToEnd() ?? Data() } catch { return nil }
}

/// The text of one of the kernel's files; nil where there is none.
func kernelText(_ path: String) -> String? { kernelBytes(path).map { String(decoding: $0, as: UTF8.self) } }
