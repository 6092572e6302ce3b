/// When the steps of an APGD search shrink: what the losses on the way decide, image by image (Croce and Hein,
/// arXiv:2003.01690, in the version of their public code).
///
/// The first check is after 22% of the steps, every later one comes sooner than the last by 3% of the steps, but not
/// sooner than 6%. A check halves the step of an image, and sends its search back to its best point, where at most three
/// quarters of the losses since the last check are higher than the one before, or where the last check left the step as
/// it was and the best loss has not risen since.
///
/// Two habits of that code are kept: the loss of a search that went back is compared with the last one on its way, not
/// with that of the point it went back to; and the very first loss is compared with 0 rather than with that of the start.
struct StepSizeControl {
    /// The most successes, as a share of the steps between checks, with which a step is halved: rho.
    private static let successShare = 0.75

    /// The step of each image, in pixel units.
    private(set) var stepSizes: [Float]
    /// The highest loss of each image.
    private(set) var best: [Double]
    /// Steps between the last check and the next, and how many of them were made.
    private var interval: Int
    private var stepsSinceCheck = 0
    private let decrement: Int
    private let shortestInterval: Int
    private var previous: [Double]
    private var successes: [Int]
    private var bestAtCheck: [Double]
    private var wasHalved: [Bool]

    /// Begins a search.
    /// - Parameters:
    ///   - steps: Steps of the search, 1 or more.
    ///   - stepSize: The first step of every image.
    ///   - losses: Those of the starts.
    init(steps: Int, stepSize: Float, losses: [Double]) {
        func share(_ share: Double) -> Int { max(Int(share * Double(steps)), 1) }
        interval = share(0.22)
        decrement = share(0.03)
        shortestInterval = share(0.06)
        stepSizes = [Float](repeating: stepSize, count: losses.count)
        best = losses
        bestAtCheck = losses
        previous = [Double](repeating: 0, count: losses.count)
        successes = [Int](repeating: 0, count: losses.count)
        wasHalved = [Bool](repeating: true, count: losses.count)
    }

    /// Takes note of the losses after a step.
    /// - Returns: Whether each is the highest of its image.
    mutating func arrive(_ losses: [Double]) -> [Bool] {
        stepsSinceCheck += 1
        return losses.indices.map { image in
            if losses[image] > previous[image] { successes[image] += 1 }
            previous[image] = losses[image]
            let isBest = losses[image] > best[image]
            if isBest { best[image] = losses[image] }
            return isBest
        }
    }

    /// Halves steps if a check is due.
    /// - Returns: The images whose search goes back to its best point.
    mutating func check() -> [Int] {
        guard stepsSinceCheck == interval else { return [] }
        let most = Self.successShare * Double(interval)
        for image in stepSizes.indices {
            let isStuck = !wasHalved[image] && best[image] <= bestAtCheck[image]
            wasHalved[image] = Double(successes[image]) <= most || isStuck
            if wasHalved[image] { stepSizes[image] /= 2 }
            successes[image] = 0
        }
        bestAtCheck = best
        stepsSinceCheck = 0
        interval = max(interval - decrement, shortestInterval)
        return stepSizes.indices.filter { wasHalved[$0] }
    }
}
