import Testing

@testable import Tensors

@Suite("Workspace")
struct WorkspaceTests {
    @Test("a block goes back when the last reference to it goes, and is used again")
    func reuse() {
        let workspace = Workspace()
        var first: Tensor? = Tensor(workspace, images: 4, height: 8, width: 8, channels: 3)
        let address = first?.pointer
        let slice = first?.slice(1..<2)
        first = nil
        let second = Tensor(workspace, images: 4, height: 8, width: 8, channels: 3)
        #expect(second.pointer != address, "a slice still refers to the block")
        #expect(slice?.images == 1)
        let reserved = workspace.reservedBytes
        func takeAndDrop() -> UnsafeMutablePointer<Float> {
            Tensor(workspace, images: 4, height: 8, width: 8, channels: 3).pointer
        }
        let third = takeAndDrop()
        #expect(takeAndDrop() == third)
        #expect(workspace.reservedBytes == reserved + Workspace.sizeClass(768) * 4)
    }

    @Test("sizes are rounded up by at most an eighth, and blocks are aligned")
    func sizeClasses() {
        for count in [0, 1, 255, 256, 257, 1000, 4095, 4097, 123_456, 10_000_000] {
            let size = Workspace.sizeClass(count)
            #expect(size >= max(count, 256))
            #expect(Double(size) <= Double(max(count, 256)) * 1.125 + 1)
            #expect(Workspace.sizeClass(size) == size)
        }
        let workspace = Workspace()
        for count in [1, 17, 300] {
            let tensor = Tensor(workspace, images: 1, channels: count)
            #expect(UInt(bitPattern: tensor.pointer) % 64 == 0)
        }
    }

    @Test("the peak is the most that was in use at once")
    func peak() {
        let workspace = Workspace()
        func use(_ images: Int) {
            let x = Tensor(workspace, images: images, channels: 1024)
            workspace.withScratch(1024) { $0[0] = x.pointer[0] }
        }
        use(1)
        #expect(workspace.peakBytes == 2 * 4096)
        use(3)
        #expect(workspace.peakBytes == 4 * 4096)
        use(1)
        #expect(workspace.peakBytes == 4 * 4096)
        #expect(workspace.reservedBytes == 5 * 4096, "two blocks of 1024 floats and one of 3072")
    }

    @Test("scratch memory goes back also when its user throws")
    func scratchOnError() {
        struct Failure: Error {}
        let workspace = Workspace()
        #expect(throws: Failure.self) { try workspace.withScratch(5000) { _ in throw Failure() } }
        let reserved = workspace.reservedBytes
        workspace.withScratch(5000) { $0[0] = 0 }
        #expect(workspace.reservedBytes == reserved)
    }
}
