import Testing

@testable import Weights

@Suite("The order of images")
struct ImageOrderTests {
    @Test("pixels become planes, image by image, and planes pixels again")
    func order() {
        let order = ImageOrder(images: 2, height: 1, width: 2, channels: 3)
        #expect(order.shapeInFiles == [2, 3, 1, 2])
        let memory: [Float] = [1, 2, 3, 11, 12, 13, 21, 22, 23, 31, 32, 33]
        let planes: [Float] = [1, 11, 2, 12, 3, 13, 21, 31, 22, 32, 23, 33]
        #expect(order.forFiles(memory) == planes)
        #expect(order.forMemory(planes) == memory)
    }
}
