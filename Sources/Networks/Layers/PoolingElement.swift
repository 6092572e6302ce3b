import Tensors

/// Pooling over windows as a step of a network.
struct PoolingElement: NetworkElement {
    /// What is taken of each window.
    enum Operation {
        case largest(MaxPooling)
        case mean(AveragePooling)
    }

    struct Tape {
        let x: [Tensor]
        let y: [Tensor]
    }

    let operation: Operation
    /// Whether the input is a ReLU's output.
    ///
    /// What wins of values that are not negative is none itself, and above 0 only where the winner is: a gradient gated
    /// by the output of max-pooling needs no other gate. A mean gates its input's gradient itself.
    let isRectified: Bool

    func forward(_ x: [Tensor], _ pass: Pass) -> (y: [Tensor], tape: Tape) {
        let y =
            switch operation {
            case .largest(let pooling): x.map(pooling.forward)
            case .mean(let pooling): x.map(pooling.forward)
            }
        return (y, Tape(x: x, y: y))
    }

    func backward(
        _ g: [Tensor], _ tape: Tape, masksInput: Bool, wantsInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) -> [Tensor] {
        g.indices.map { shard in
            switch operation {
            case .largest(let pooling): pooling.backward(g[shard], tape.x[shard], tape.y[shard])
            case .mean(let pooling): pooling.backward(g[shard], tape.x[shard], masksInput: masksInput)
            }
        }
    }

    /// The map that it puts out.
    func outputMap(_ map: MapSize) -> MapSize {
        switch operation {
        case .largest(let pooling):
            MapSize(height: pooling.outputSize(map.height), width: pooling.outputSize(map.width))
        case .mean(let pooling):
            MapSize(height: pooling.windows(map.height).count, width: pooling.windows(map.width).count)
        }
    }
}
