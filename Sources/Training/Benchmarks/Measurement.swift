/// The times of one piece of work, repeated after a warm-up.
public struct Measurement: Sendable {
    /// What was timed.
    public let work: String
    /// Seconds of each repetition, shortest first.
    public let seconds: [Double]
    /// Images, or nil where the work is not about images.
    public let images: Int?
    /// Floating-point operations of the direct method, or nil.
    public let operations: Double?

    /// The middle repetition.
    public var median: Double { seconds[seconds.count / 2] }

    /// Runs `body` once, then `repetitions` times against the clock.
    init(
        _ work: String, repetitions: Int, images: Int? = nil, operations: Double? = nil, _ body: () throws -> Void
    ) rethrows {
        try body()
        var times: [Double] = []
        for _ in 0..<max(1, repetitions) {
            let start = ContinuousClock.now
            try body()
            times.append((ContinuousClock.now - start) / .seconds(1))
        }
        self.work = work
        self.images = images
        self.operations = operations
        seconds = times.sorted()
    }

    /// The columns of ``cells``.
    public static let columns = [
        "work", "median_seconds", "min_seconds", "max_seconds", "images_per_second", "gflop_per_second",
    ]

    /// One row of a table: work, median, least and most seconds, images and operations a second at the median.
    var cells: [CSVValue] {
        [
            .text(work), .real(median), CSVValue(seconds.first), CSVValue(seconds.last),
            CSVValue(images.map { Double($0) / median }), CSVValue(operations.map { $0 / median / 1e9 }),
        ]
    }

    /// The measurement as a line of text.
    public var line: String {
        var text = "\(work): median \(Console.fixed(median * 1000, 2)) ms"
        text += " [\(Console.fixed((seconds.first ?? 0) * 1000, 2)), \(Console.fixed((seconds.last ?? 0) * 1000, 2))]"
        if let images { text += ", \(Console.fixed(Double(images) / median, 1)) images/s" }
        if let operations { text += ", \(Console.fixed(operations / median / 1e9, 1)) GFLOP/s" }
        return text
    }
}
