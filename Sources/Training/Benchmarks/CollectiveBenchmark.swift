import Collectives

/// Times the sum over all ranks for vectors of growing length.
struct CollectiveBenchmark {
    let communicator: any Communicator
    let repetitions: Int

    func run() throws -> [Measurement] {
        try [1, 1 << 10, 1 << 16, 1 << 20, 1 << 23].map { count in
            let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
            defer { buffer.deallocate() }
            buffer.initialize(repeating: 0)
            let blocking = try Measurement("all-reduce of \(count * 4) bytes", repetitions: repetitions) {
                try communicator.allReduceSum(buffer)
            }
            return blocking
        }
    }
}
