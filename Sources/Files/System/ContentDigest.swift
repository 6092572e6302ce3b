import COpenSSL

/// The SHA-256 of bytes that come one after the other; no other file calls the library that computes it.
package struct ContentDigest {
    private var state = State()

    /// The digest of nothing yet.
    package init() {}

    /// The digest of these bytes.
    package init(of bytes: some Collection<UInt8>) { append(bytes) }

    /// Appends the bytes of a buffer.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if !isKnownUniquelyReferenced(&state) { state = State(copying: state) }
        state.append(bytes)
    }

    /// Appends the bytes of a collection.
    package mutating func append(_ bytes: some Collection<UInt8>) {
        let isDone: Void? = bytes.withContiguousStorageIfAvailable { append(UnsafeRawBufferPointer($0)) }
        if isDone == nil { Array(bytes).withUnsafeBytes { append($0) } }
    }

    /// The digest of what was appended up to now, 32 bytes.
    package var bytes: [UInt8] { State(copying: state).finish() }

    /// The same as 64 lower-case hexadecimal digits.
    package var hexadecimal: String { bytes.hexadecimal }
}

/// A computation of a digest by libcrypto.
///
/// Its calls fail for want of memory, or where a system forbids SHA-256: nothing can go on then.
private final class State {
    private let context: OpaquePointer

    init() {
        guard let context = EVP_MD_CTX_new() else { fatalError("libcrypto has no memory for a digest") }
        self.context = context
        precondition(EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1, "libcrypto computes no SHA-256")
    }

    convenience init(copying other: State) {
        self.init()
        precondition(EVP_MD_CTX_copy_ex(context, other.context) == 1, "libcrypto cannot copy a digest")
    }

    deinit { EVP_MD_CTX_free(context) }

    func append(_ bytes: UnsafeRawBufferPointer) {
        precondition(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1, "libcrypto cannot digest bytes")
    }

    /// Ends the computation; nothing can be appended afterwards.
    func finish() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { buffer, count in
            var size: UInt32 = 0
            precondition(EVP_DigestFinal_ex(context, buffer.baseAddress, &size) == 1, "libcrypto cannot end a digest")
            count = Int(size)
        }
    }
}

extension Sequence<UInt8> {
    /// Two lower-case hexadecimal digits for each byte.
    package var hexadecimal: String { map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}
