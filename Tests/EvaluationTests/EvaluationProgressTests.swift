import Testing

@testable import Evaluation

@Suite("Progress of an evaluation")
struct EvaluationProgressTests {
    @Test("The time left goes by the chunks finished since the beginning, and does not grow between two of them")
    func secondsLeft() {
        let chunk = EvaluationChunk(
            chunk: 0, indices: [0, 1], labels: [0, 1], outcomes: [EvaluationChunk.Outcome(predictions: [0, 0])])
        var progress = EvaluationProgress("", [], images: 12, chunks: 6, finished: [chunk])
        #expect(progress.secondsLeft(after: 5) == nil, "what was there tells nothing")
        progress.add(chunk, after: 10)
        #expect([10, 14, 19, 500].map { progress.secondsLeft(after: $0) } == [40, 36, 31, 30])
        progress.add(chunk, after: 14)
        #expect(progress.secondsLeft(after: 14) == 21)
        #expect(progress.finishedImages == 6 && progress.correct == [3])
        for _ in 0..<3 { progress.add(chunk, after: 30) }
        #expect(progress.secondsLeft(after: 30) == 0)
    }
}
