import Files

/// A piece of work that a benchmark times.
struct TimedWork {
    /// What it is called.
    let name: String
    /// Images that it handles, or nil where it is not about images.
    var images: Int?
    /// Floating-point operations of the direct method, or nil.
    var operations: Double?
    /// Does it once.
    let body: () throws -> Void
}

/// The times of one piece of work.
package struct Measurement: Sendable {
    /// What was timed.
    package let work: String
    /// Seconds of each repetition, shortest first.
    package let seconds: [Double]
    /// Images, or nil where the work is not about images.
    package let images: Int?
    /// Floating-point operations of the direct method, or nil.
    package let operations: Double?

    /// The middle repetition; the mean of the two middle ones where their number is even.
    package var median: Double { (seconds[(seconds.count - 1) / 2] + seconds[seconds.count / 2]) / 2 }

    /// Operations a second at the median.
    package var rate: Double? { operations.map { $0 / median } }

    /// Does every work once, then `repetitions` times against the clock, always one after the other.
    ///
    /// A disturbance of the machine then meets all of them, and not one.
    static func inTurn(_ works: [TimedWork], repetitions: Int) throws -> [Measurement] {
        for work in works { try work.body() }
        var times = [[Double]](repeating: [], count: works.count)
        for _ in 0..<max(1, repetitions) {
            for (index, work) in works.enumerated() {
                let start = ContinuousClock.now
                try work.body()
                times[index].append((ContinuousClock.now - start) / .seconds(1))
            }
        }
        return zip(works, times).map { work, seconds in
            Measurement(
                work: work.name, seconds: seconds.sorted(), images: work.images, operations: work.operations)
        }
    }

    /// The columns of `cells`.
    package static let columns = [
        "work", "median_seconds", "min_seconds", "max_seconds", "repetitions", "images_per_second", "gflop_per_second",
    ]

    /// One row of a table: work, median, least and most seconds, images and operations a second at the median.
    var cells: [CSVValue] {
        [
            .text(work), .real(median), CSVValue(seconds.first), CSVValue(seconds.last), .integer(seconds.count),
            CSVValue(images.map { Double($0) / median }), CSVValue(rate.map { $0 / 1e9 }),
        ]
    }

    /// The measurement as a line of text.
    package var line: String {
        var text = "\(work): median \(Console.fixed(median * 1000, 2)) ms"
        text += " [\(Console.fixed((seconds.first ?? 0) * 1000, 2)), \(Console.fixed((seconds.last ?? 0) * 1000, 2))]"
        if let images { text += ", \(Console.fixed(Double(images) / median, 1)) images/s" }
        if let rate { text += ", \(Console.fixed(rate / 1e9, 1)) GFLOP/s" }
        return text
    }
}
