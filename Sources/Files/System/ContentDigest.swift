import Crypto

/// The SHA-256 of bytes that come one after the other; no other file calls the library that computes it.
package struct ContentDigest {
    private var hash = SHA256()

    /// The digest of nothing yet.
    package init() {}

    /// The digest of these bytes.
    package init(of bytes: some Collection<UInt8>) { append(bytes) }

    /// Appends the bytes of a buffer.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

    /// Appends the bytes of a collection.
    package mutating func append(_ bytes: some Collection<UInt8>) {
        let isDone: Void? = bytes.withContiguousStorageIfAvailable { append(UnsafeRawBufferPointer($0)) }
        if isDone == nil { Array(bytes).withUnsafeBytes { append($0) } }
    }

    /// The digest of what was appended up to now, 32 bytes.
    package var bytes: [UInt8] { Array(hash.finalize()) }

    /// The same as 64 lower-case hexadecimal digits.
    package var hexadecimal: String { bytes.hexadecimal }
}

extension Sequence<UInt8> {
    /// Two lower-case hexadecimal digits for each byte.
    package var hexadecimal: String { map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}
