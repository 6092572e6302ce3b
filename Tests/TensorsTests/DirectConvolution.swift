@testable import Tensors

/// The definition of a convolution and its gradients, in Double, one output at a time: what kernels are held against.
struct DirectConvolution {
    let g: ConvolutionGeometry
    let x: [Double]
    let w: [Double]
    let dy: [Double]

    init(_ geometry: ConvolutionGeometry, x: Tensor, w: Tensor, dy: Tensor) {
        g = geometry
        self.x = x.elements.map(Double.init)
        self.w = w.elements.map(Double.init)
        self.dy = dy.elements.map(Double.init)
    }

    func forward() -> [Double] {
        var result = [Double](repeating: 0, count: dy.count)
        forEachTerm { x, w, y, inputs, outputs in
            for c in 0..<inputs {
                let value = self.x[x + c]
                for k in 0..<outputs { result[y + k] += value * self.w[w + c * outputs + k] }
            }
        }
        return result
    }

    func inputGradient() -> [Double] {
        var result = [Double](repeating: 0, count: x.count)
        forEachTerm { x, w, y, inputs, outputs in
            for c in 0..<inputs {
                var sum = 0.0
                for k in 0..<outputs { sum += self.dy[y + k] * self.w[w + c * outputs + k] }
                result[x + c] += sum
            }
        }
        return result
    }

    func weightGradient() -> [Double] {
        var result = [Double](repeating: 0, count: w.count)
        forEachTerm { x, w, y, inputs, outputs in
            for c in 0..<inputs {
                let value = self.x[x + c]
                for k in 0..<outputs { result[w + c * outputs + k] += value * self.dy[y + k] }
            }
        }
        return result
    }

    /// Calls `body` with the first input, weight and output element of every pair of an output pixel and a tap.
    private func forEachTerm(_ body: (_ x: Int, _ w: Int, _ y: Int, _ inputs: Int, _ outputs: Int) -> Void) {
        for image in 0..<g.images {
            for row in 0..<g.outputHeight {
                for column in 0..<g.outputWidth {
                    for a in 0..<g.kernel {
                        for b in 0..<g.kernel {
                            let i = row * g.stride + a - g.padding
                            let j = column * g.stride + b - g.padding
                            if i < 0 || j < 0 || i >= g.height || j >= g.width { continue }
                            body(
                                ((image * g.height + i) * g.width + j) * g.inputChannels,
                                (a * g.kernel + b) * g.inputChannels * g.outputChannels,
                                ((image * g.outputHeight + row) * g.outputWidth + column) * g.outputChannels,
                                g.inputChannels, g.outputChannels)
                        }
                    }
                }
            }
        }
    }
}
