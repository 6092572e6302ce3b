import Collectives

/// Times the sum over all ranks for vectors of growing length.
struct CollectiveBenchmark {
    let communicator: any Communicator
    let repetitions: Int

    func run() throws -> [Measurement] {
        let counts = [1, 1 << 10, 1 << 16, 1 << 20, 1 << 23]
        let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: counts.max() ?? 0)
        defer { memory.deallocate() }
        memory.initialize(repeating: 0)
        let works = counts.map { count in
            TimedWork(name: "all-reduce of \(count * 4) bytes") {
                try communicator.allReduceSum(UnsafeMutableBufferPointer(rebasing: memory[..<count]))
            }
        }
        return try Measurement.inTurn(works, repetitions: repetitions)
    }
}
