import Testing

@testable import Tensors

@Suite("Image selection")
struct ImageSelectionTests {
    private let workspace = Workspace(threads: 2)
    /// Images of 45 elements: two whole vectors and a ragged end.
    private func images(_ count: Int, _ seed: UInt64) -> Tensor { random(workspace, count, 3, 3, 5, seed) }

    private func image(_ x: Tensor, _ index: Int) -> [Float] { x.slice(index..<index + 1).toArray() }

    @Test("gather copies images in the order asked for, none for none")
    func gather() {
        let x = images(5, 1)
        let indices = [4, 0, 0, 3]
        let part = ImageSelection.gather(x, indices)
        #expect(part.images == 4 && part.imageSize == 45)
        for (place, index) in indices.enumerated() { #expect(image(part, place) == image(x, index)) }
        #expect(ImageSelection.gather(x, []).images == 0)
    }

    @Test("gather weighs and masks")
    func weightedGather() {
        let x = images(4, 1)
        let mask = random(workspace, 3, 3, 3, 5, 2, rectified: true)
        let weights: [Float] = [0.5, -2, 3]
        for masked in [false, true] {
            let part = ImageSelection.gather(x, [3, 1, 1], weights: weights, mask: masked ? mask : nil)
            for (place, index) in [3, 1, 1].enumerated() {
                let expected = zip(image(x, index), image(mask, place)).map {
                    masked && $1 == 0 ? 0 : $0 * weights[place]
                }
                #expect(image(part, place) == expected)
            }
        }
    }

    @Test("combine adds up the terms of each image; without terms it is zero")
    func combine() {
        let parts = [images(2, 1), images(1, 2), images(0, 3)]
        let y = Tensor(workspace, images: 3, height: 3, width: 3, channels: 5)
        y.fill(7)
        ImageSelection.combine(parts, [[(0, 1, 2)], [], [(0, 0, 0.5), (1, 0, -1)]], into: y)
        #expect(image(y, 0) == image(parts[0], 1).map { 2 * $0 })
        #expect(image(y, 1) == [Float](repeating: 0, count: 45))
        #expect(image(y, 2) == zip(image(parts[0], 0), image(parts[1], 0)).map { 0.5 * $0 - $1 })
    }

    @Test("inner products pair an image with its place in the part")
    func innerProducts() {
        let x = images(4, 1)
        let part = images(3, 2)
        let indices = [2, 0, 2]
        let found = ImageSelection.innerProducts(x, indices, part)
        for (place, index) in indices.enumerated() {
            let exact = zip(image(x, index), image(part, place)).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            #expect(abs(Double(found[place]) - exact) < 1e-5)
        }
        #expect(ImageSelection.innerProducts(x, [], images(0, 1)).isEmpty)
    }

    @Test("combining what was gathered gives the images back")
    func roundTrip() {
        let x = images(4, 1)
        let routes = [[2, 0], [1, 3]]
        let parts = routes.map { ImageSelection.gather(x, $0) }
        let y = Tensor(like: x)
        ImageSelection.combine(parts, [[(0, 1, 1)], [(1, 0, 1)], [(0, 0, 1)], [(1, 1, 1)]], into: y)
        #expect(y.toArray() == x.toArray())
    }
}
