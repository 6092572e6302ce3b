import Files
import Testing

/// Expected values are those of FIPS 180-2, appendix B, and of the empty message.
@Suite("Digests of content") struct ContentDigestTests {
    @Test("Published messages have their published digests")
    func published() {
        let digests = [
            "": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq":
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            String(repeating: "a", count: 1_000_000):
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        ]
        for (message, digest) in digests { #expect(ContentDigest(of: message.utf8).hexadecimal == digest) }
        // A collection without storage of its own, too.
        #expect(ContentDigest(of: (97...99).lazy.map { UInt8($0) }).hexadecimal == digests["abc"])
    }

    @Test("Pieces give the digest of the whole; a copy and a look on the way change nothing")
    func pieces() {
        var digest = ContentDigest()
        digest.append("a".utf8)
        var copy = digest
        #expect(digest.hexadecimal == ContentDigest(of: "a".utf8).hexadecimal)
        digest.append("bc".utf8)
        copy.append("b".utf8)
        #expect(digest.hexadecimal == ContentDigest(of: "abc".utf8).hexadecimal)
        #expect(copy.hexadecimal == ContentDigest(of: "ab".utf8).hexadecimal)
        #expect(digest.bytes.count == 32)
    }
}
