extension WinogradConvolution {
    /// Writes G g Gᵀ of an HWIO filter to `u`, `[points][inputChannels][outputChannels]`.
    ///
    /// - Parameter scale: Multiplies each output channel of the layer's filter (a folded batch norm), `[outputChannels]`.
    func transformFilter(
        _ weights: FloatPointer, scale: FloatPointer?, into u: FloatPointer, _ workspace: Workspace
    ) {
        let (inputs, outputs) = (geometry.inputChannels, geometry.outputChannels)
        transform(into: u, workspace) { tap, c, k in
            let value = vectors(weights + (tap * inputs + c) * outputs + k)[0]
            return scale.map { value * vectors($0 + k)[0] } ?? value
        }
    }

    /// Writes the transform of the filter that carries gradients back through the layer: rotated, channels swapped.
    ///
    /// This convolution's input channels are the layer's output channels: `weights` is
    /// `[3][3][outputChannels][inputChannels]` in this convolution's terms, `scale` is `[inputChannels]`.
    func transformRotatedFilter(
        _ weights: FloatPointer, scale: FloatPointer?, into u: FloatPointer, _ workspace: Workspace
    ) {
        let (inputs, outputs) = (geometry.inputChannels, geometry.outputChannels)
        // Each tap is transposed once, so that every product multiplies plain matrices: OpenBLAS is 20 to 35%
        // slower with a transposed second factor at these sizes.
        workspace.withScratch(9 * inputs * outputs) { transposed in
            workspace.loop(9) { _, tap in
                let source = weights + tap * inputs * outputs
                let target = transposed + (8 - tap) * inputs * outputs
                for c in Swift.stride(from: 0, to: inputs, by: lanes) {
                    for k in Swift.stride(from: 0, to: outputs, by: lanes) {
                        for i in 0..<lanes {
                            for j in 0..<lanes {
                                target[(c + j) * outputs + k + i] = source[(k + i) * inputs + c + j]
                            }
                        }
                    }
                }
            }
            transform(into: u, workspace) { tap, c, k in
                let value = vectors(transposed + (tap * inputs + c) * outputs + k)[0]
                return scale.map { value * $0[c] } ?? value
            }
        }
    }

    /// Transforms a filter whose 16 values at (tap, input channel, first output channel) are given by `tap`.
    @inline(__always)
    private func transform(
        into u: FloatPointer, _ workspace: Workspace, _ tap: (_ tap: Int, _ c: Int, _ k: Int) -> Vector
    ) {
        let side = Transform.inputs
        let (inputs, outputs) = (geometry.inputChannels, geometry.outputChannels)
        let rowStride = outputs + lanes
        let rowSize = Transform.points * rowStride
        let loop = workspace.loop
        workspace.withScratch(rowSize * loop.threads) { rows in
            loop(inputs) { worker, c in
                // One input channel for all points into a small buffer, then whole rows: writing all points 64 bytes
                // at a time at a large distance is several times slower.
                let row = rows + worker * rowSize
                withUnsafeTemporaryAllocation(of: Vector.self, capacity: 9 + side * 3) { buffer in
                    guard let taps = buffer.baseAddress else { return }
                    let columns = taps + 9
                    for k in Swift.stride(from: 0, to: outputs, by: lanes) {
                        for index in 0..<9 { taps[index] = tap(index, c, k) }
                        for j in 0..<3 { Transform.filter(taps + j, 3, columns + j, 3) }
                        for i in 0..<side {
                            Transform.filter(
                                columns + i * 3, 1, vectors(row + i * side * rowStride + k), rowStride / lanes)
                        }
                    }
                }
                for point in 0..<Transform.points {
                    (u + point * filterStride + c * outputs).update(from: row + point * rowStride, count: outputs)
                }
            }
        }
    }
}
