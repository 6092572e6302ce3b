import Networks
import Tensors

/// What an optimizer keeps of every parameter from step to step, laid out like the parameters; zero at first.
final class OptimizerArena {
    let values: UnsafeMutableBufferPointer<Float>

    init(_ parameters: Parameters) {
        let count = parameters.parameterCount
        values = UnsafeMutableBufferPointer(start: allocateFloats(max(16, count)), count: count)
        values.initialize(repeating: 0)
    }

    deinit { values.deallocate() }
}
