import Configuration
import Tensors

/// Times the convolution kernels at the shapes of a ResNet-18, beside the same run's peak of the matrix product.
struct KernelBenchmark {
    let configuration: RunConfiguration
    let threads: Int
    let repetitions: Int

    /// The name of the matrix product's work.
    static let peakName = "sgemm 512"

    func run() throws -> [Measurement] {
        let workspace = Workspace(threads: threads)
        let width = configuration.model.width ?? 64
        let images = configuration.training.globalBatch
        var works = [peak(workspace)]
        for (stage, side) in [32, 16, 8, 4].enumerated() {
            let channels = width << stage
            works += self.works(
                ConvolutionGeometry(
                    images: images, height: side, width: side, inputChannels: channels, outputChannels: channels,
                    kernel: 3, stride: 1, padding: 1), workspace)
        }
        return try Measurement.inTurn(works, repetitions: repetitions)
    }

    /// Every thread multiplies 512×512 matrices of its own: what BLAS reaches on this machine at this moment.
    private func peak(_ workspace: Workspace) -> TimedWork {
        let size = 512
        let rounds = 4
        let matrices = Tensor(workspace, images: 3 * threads, height: size, width: size, channels: 1)
        matrices.fill(0.5)
        let operations = 2.0 * Double(size * size * size * rounds * threads)
        return TimedWork(name: Self.peakName, operations: operations) {
            workspace.loop(threads) { _, part in
                let a = matrices.pointer + part * 3 * size * size
                for _ in 0..<rounds {
                    MatrixProduct.multiply(
                        size, size, size, a, size, a + size * size, size, into: a + 2 * size * size, size)
                }
            }
        }
    }

    private func works(_ geometry: ConvolutionGeometry, _ workspace: Workspace) -> [TimedWork] {
        let kernel = ConvolutionKernel(geometry, configuration.kernels.arithmetic)
        func noise(_ count: Int) -> Tensor {
            let tensor = Tensor(workspace, images: 1, channels: count)
            var stream = RandomStream(seed: 1, purpose: .synthetic)
            for index in 0..<count { tensor.pointer[index] = stream.uniform() - 0.5 }
            return tensor
        }
        let x = noise(geometry.images * geometry.height * geometry.width * geometry.inputChannels)
        let y = noise(geometry.outputPixels * geometry.outputChannels)
        let dy = noise(y.count)
        let dx = noise(x.count)
        let weights = noise(geometry.patchSize * geometry.outputChannels)
        let dw = noise(weights.count)
        let filter = noise(kernel.preparedFilterSize(.forward))
        let back = noise(kernel.preparedFilterSize(.inputGradient))
        let name = "\(geometry.inputChannels)@\(geometry.height)"
        let operations = 2 * Double(geometry.directMultiplyAdds)
        kernel.prepareFilter(.forward, weights.pointer, into: filter.pointer, workspace)
        kernel.prepareFilter(.inputGradient, weights.pointer, into: back.pointer, workspace)
        return [
            TimedWork(name: "\(name) filters, both directions") {
                kernel.prepareFilter(.forward, weights.pointer, into: filter.pointer, workspace)
                kernel.prepareFilter(.inputGradient, weights.pointer, into: back.pointer, workspace)
            },
            TimedWork(name: "\(name) forward", operations: operations) {
                kernel.forward(x.pointer, [filter.pointer], into: y.pointer, Epilogue(), workspace)
            },
            TimedWork(name: "\(name) input gradient", operations: operations) {
                kernel.inputGradient(dy.pointer, [back.pointer], into: dx.pointer, Epilogue(), workspace)
            },
            TimedWork(name: "\(name) weight gradient", operations: operations) {
                kernel.weightGradient(x.pointer, dy.pointer, into: [dw.pointer], workspace)
            },
        ]
    }
}
