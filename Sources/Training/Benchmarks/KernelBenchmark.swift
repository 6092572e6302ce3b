import Tensors

/// Times the convolution kernels at the shapes of a ResNet-18, beside the same run's peak of the matrix product.
struct KernelBenchmark {
    let configuration: RunConfiguration
    let threads: Int
    let repetitions: Int

    func run() -> [Measurement] {
        let workspace = Workspace(threads: threads)
        let width = configuration.model.width ?? 64
        let images = configuration.training.globalBatch
        var results = [peak(workspace)]
        for (stage, side) in [32, 16, 8, 4].enumerated() {
            let channels = width << stage
            results += time(
                ConvolutionGeometry(
                    images: images, height: side, width: side, inputChannels: channels, outputChannels: channels,
                    kernel: 3, stride: 1, padding: 1), workspace)
        }
        return results
    }

    /// Every thread multiplies 512×512 matrices of its own: what BLAS reaches on this machine at this moment.
    private func peak(_ workspace: Workspace) -> Measurement {
        let size = 512
        let rounds = 4
        return workspace.withScratch(3 * size * size * threads) { memory in
            memory.update(repeating: 0.5, count: 3 * size * size * threads)
            let operations = 2.0 * Double(size * size * size * rounds * threads)
            return Measurement("sgemm \(size)", repetitions: repetitions, operations: operations) {
                workspace.loop(threads) { _, part in
                    let a = memory + part * 3 * size * size
                    for _ in 0..<rounds {
                        MatrixProduct.multiply(
                            size, size, size, a, size, a + size * size, size, into: a + 2 * size * size, size)
                    }
                }
            }
        }
    }

    private func time(_ geometry: ConvolutionGeometry, _ workspace: Workspace) -> [Measurement] {
        let kernel = ConvolutionKernel(geometry, configuration.kernelArithmetic)
        func noise(_ count: Int) -> Tensor {
            let tensor = Tensor(workspace, images: 1, channels: count)
            var stream = RandomStream(seed: 1, purpose: .synthetic)
            for index in 0..<count { tensor.pointer[index] = stream.uniform() - 0.5 }
            return tensor
        }
        let x = noise(geometry.images * geometry.height * geometry.width * geometry.inputChannels)
        let y = noise(geometry.outputPixels * geometry.outputChannels)
        let weights = noise(geometry.patchSize * geometry.outputChannels)
        let dw = noise(weights.count)
        let filter = noise(kernel.preparedFilterSize(.forward))
        let back = noise(kernel.preparedFilterSize(.inputGradient))
        let name = "\(geometry.inputChannels)@\(geometry.height)"
        let operations = 2 * Double(geometry.directMultiplyAdds)
        return [
            Measurement("\(name) filters, both directions", repetitions: repetitions) {
                kernel.prepareFilter(.forward, weights.pointer, scale: nil, into: filter.pointer, workspace)
                kernel.prepareFilter(.inputGradient, weights.pointer, scale: nil, into: back.pointer, workspace)
            },
            Measurement("\(name) forward", repetitions: repetitions, operations: operations) {
                kernel.forward(x.pointer, filter.pointer, into: y.pointer, Epilogue(), workspace)
            },
            Measurement("\(name) input gradient", repetitions: repetitions, operations: operations) {
                kernel.inputGradient(y.pointer, back.pointer, into: x.pointer, Epilogue(), workspace)
            },
            Measurement("\(name) weight gradient", repetitions: repetitions, operations: operations) {
                kernel.weightGradient(x.pointer, y.pointer, into: dw.pointer, workspace)
            },
        ]
    }
}
