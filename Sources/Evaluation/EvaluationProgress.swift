import NetworkAttacks

/// How far an evaluation has come, as rank 0 knows it.
package struct EvaluationProgress {
    /// What this rank is at: an attack of the list, and a stage of it; nil is none.
    package struct Place: Equatable {
        package let attack: Int
        package let stage: Int
    }

    /// What tells this evaluation from others of the same session, such as a layer and an expert; empty of the first.
    package let part: String
    package let attacks: [EvaluatedAttack]
    /// Images and chunks in all.
    package let images: Int
    package let chunks: Int
    /// Images and chunks that are finished.
    package private(set) var finishedImages = 0
    package private(set) var finishedChunks = 0
    /// Chunks that were there when it began.
    package let keptChunks: Int
    /// Of the finished images, those that are right: clean, and under each attack.
    package private(set) var correct: [Int]
    /// Where rank 0 is; nil with the clean images, and where it waits.
    package internal(set) var place: Place?
    private let start = ContinuousClock.now
    /// Seconds from the beginning to the last chunk that was finished.
    private var lastSeconds = 0.0

    init(
        _ part: String, _ attacks: [EvaluatedAttack], images: Int, chunks: Int, finished: [EvaluationChunk]
    ) {
        self.part = part
        self.attacks = attacks
        self.images = images
        self.chunks = chunks
        keptChunks = finished.count
        correct = [Int](repeating: 0, count: attacks.count + 1)
        for chunk in finished { count(chunk) }
    }

    /// Takes note of a chunk that was finished so many seconds after the beginning; nil is now.
    mutating func add(_ chunk: EvaluationChunk, after seconds: Double? = nil) {
        count(chunk)
        lastSeconds = seconds ?? start.seconds
    }

    private mutating func count(_ chunk: EvaluationChunk) {
        finishedChunks += 1
        finishedImages += chunk.indices.count
        for (place, outcome) in chunk.outcomes.enumerated() {
            correct[place] += outcome.isCorrect(chunk.labels).count { $0 }
        }
    }

    /// An estimate, in seconds, of the time that is left, by the chunks that were finished since the beginning; nil before
    /// there is one.
    package var secondsLeft: Double? { secondsLeft(after: start.seconds) }

    /// The estimate so many seconds after the beginning: what passes after the last finished chunk counts towards the next
    /// one, so that the time left does not grow meanwhile.
    func secondsLeft(after seconds: Double) -> Double? {
        let own = finishedChunks - keptChunks
        guard own > 0 else { return nil }
        let chunk = lastSeconds / Double(own)
        return max(0, Double(chunks - finishedChunks) * chunk - min(chunk, seconds - lastSeconds))
    }
}
