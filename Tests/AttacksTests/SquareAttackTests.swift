import Tensors
import Testing

@testable import Attacks

@Suite("Square")
struct SquareAttackTests {
    private let workspace = Workspace()

    private func images(_ count: Int, side: Int, channels: Int, value: Float = 0.5) -> Tensor {
        let x = Tensor(workspace, images: count, height: side, width: side, channels: channels)
        x.fill(value)
        return x
    }

    private func search(_ x: Tensor, _ ball: PerturbationBall, seed: UInt64 = 4) -> SquareSearch {
        SquareSearch(around: x, labels: [Int32](repeating: 0, count: x.images), ball) {
            RandomStream(seed: seed, purpose: .squareAttack, index: $0)
        }
    }

    /// Judges candidates by a margin that is the same for all.
    private func judge(_ search: inout SquareSearch, margin: Float, images: Int) {
        let logits = Tensor(workspace, images: images, channels: 2)
        for image in 0..<images { (logits.pointer[2 * image], logits.pointer[2 * image + 1]) = (margin, 0) }
        search.judge(logits, [Bool](repeating: true, count: images))
    }

    @Test("sides shrink as in AutoAttack, whatever the number of queries")
    func sides() {
        let queries = [0, 10, 11, 50, 51, 200, 201, 500, 501, 1000, 1001, 2000, 2001, 4000, 4001, 6001, 8001, 9999]
        let linf = [29, 29, 20, 20, 14, 14, 10, 10, 7, 7, 5, 5, 4, 4, 3, 2, 1, 1]
        let l2 = [29, 29, 21, 21, 15, 15, 11, 11, 7, 7, 5, 5, 5, 5, 3, 3, 3, 3]
        for (norm, expected) in [(PerturbationBall.Norm.linf, linf), (.l2, l2)] {
            let attack = SquareAttack(ball: PerturbationBall(norm, epsilon: 0.1), queries: 10)
            #expect(queries.map { attack.side(query: $0, height: 32, width: 32) } == expected)
        }
        let attack = SquareAttack(ball: PerturbationBall(epsilon: 0.1))
        #expect(attack.side(query: 0, height: 28, width: 28) == 25)
        #expect(attack.side(query: 0, height: 4, width: 30) == 4)
        #expect(attack.side(query: 9000, height: 4, width: 4) == 1)
    }

    @Test("begins with stripes at the border of the ball, of signs that are fair")
    func stripes() {
        let (count, side, channels) = (300, 6, 3)
        let x = images(count, side: side, channels: channels)
        var search = search(x, PerturbationBall(epsilon: 0.1))
        search.start()
        var positive = 0
        for image in 0..<count {
            for index in 0..<x.imageSize {
                let moved = search.candidate.pointer[image * x.imageSize + index] - 0.5
                let above = search.candidate.pointer[image * x.imageSize + index % (side * channels)] - 0.5
                #expect(abs(abs(moved) - 0.1) < 1e-7 && moved == above)
                if index < side * channels, moved > 0 { positive += 1 }
            }
        }
        let draws = Double(count * side * channels)
        #expect(abs(Double(positive) - draws / 2) < 5 * (draws / 4).squareRoot())
    }

    @Test("a query moves one square to the border, its corner anywhere but at the end, each channel to one side")
    func squares() {
        let (count, size, side, channels) = (2000, 8, 3, 2)
        let x = images(count, side: size, channels: channels)
        var search = search(x, PerturbationBall(epsilon: 0.1))
        // Candidates are judged unlike their best point, which stays the clean image.
        judge(&search, margin: -1, images: count)
        search.propose(side: side)
        var corners = [Int](repeating: 0, count: size * size)
        var signs = [[Bool]: Int]()
        for image in 0..<count {
            let moved = (0..<x.imageSize).map { search.candidate.pointer[image * x.imageSize + $0] - 0.5 }
            let places = (0..<size * size).filter { moved[$0 * channels] != 0 }
            let first = places[0]
            corners[first] += 1
            let expected = (0..<side * side).map { first + $0 / side * size + $0 % side }
            #expect(places == expected && first % size + side < size && first / size + side < size)
            for place in places {
                for channel in 0..<channels {
                    #expect(abs(abs(moved[place * channels + channel]) - 0.1) < 1e-7)
                    #expect(moved[place * channels + channel] == moved[first * channels + channel])
                }
            }
            signs[(0..<channels).map { moved[first * channels + $0] > 0 }, default: 0] += 1
        }
        let choices = (size - side) * (size - side)
        let share = Double(count) / Double(choices)
        #expect(corners.count { $0 > 0 } == choices)
        #expect(corners.filter { $0 > 0 }.allSatisfy { abs(Double($0) - share) < 5 * share.squareRoot() })
        #expect(signs.count == 4 && signs.values.allSatisfy { abs(Double($0) - 500) < 5 * 22 })
    }

    @Test("what does not lower the margin is taken back", arguments: PerturbationBall.Norm.allCases)
    func judgement(_ norm: PerturbationBall.Norm) {
        let ball = PerturbationBall(norm, epsilon: 0.3)
        let x = images(2, side: 8, channels: 1)
        var search = search(x, ball)
        search.start()
        judge(&search, margin: 3, images: 2)
        let start = search.best.toArray()
        #expect(start == search.candidate.toArray() && start != x.toArray())
        search.propose(side: 3)
        let candidate = search.candidate.toArray()
        #expect(candidate != start)
        judge(&search, margin: 3, images: 2)
        #expect(search.best.toArray() == start && search.candidate.toArray() == start)
        search.propose(side: 3)
        let next = search.candidate.toArray()
        #expect(next != candidate)
        judge(&search, margin: 2.5, images: 2)
        #expect(search.best.toArray() == next)
        for _ in 0..<50 {
            search.propose(side: 3)
            judge(&search, margin: 2, images: 2)
            #expect(throws: Never.self) { try ball.verify(search.candidate, around: x) }
        }
        // A wrong candidate stays whatever its margin.
        let right = search.best.slice(1..<2).toArray()
        search.propose(side: 5)
        let wrong = search.candidate.toArray()
        let logits = Tensor(workspace, images: 2, channels: 2)
        for (index, logit) in [9, 0, 9, 0].enumerated() { logits.pointer[index] = Float(logit) }
        search.judge(logits, [false, true])
        #expect(search.best.slice(0..<1).toArray() == Array(wrong[..<x.imageSize]))
        #expect(search.best.slice(1..<2).toArray() == right && right != Array(wrong[x.imageSize...]))
    }

    @Test("patterns of l2: rings around the middle of two halves, of opposite sign and equal norm")
    func patterns() {
        // Worked out by hand: rings of 1/4 around 1, one row above two.
        let (upper, lower) = ((1.6875 * 2).squareRoot(), (1.875 * 2).squareRoot())
        let expected =
            [0.25, 1.25, 0.25].map { $0 / upper } + [-0.25, -0.25, -0.25, -0.25, -1.25, -0.25].map { $0 / lower }
        let three = SquarePattern(side: 3)
        for (element, wanted) in zip(three.elements, expected) { #expect(abs(Double(element) - wanted) < 1e-6) }
        for side in [1, 2, 3, 4, 5, 21] {
            let pattern = SquarePattern(side: side)
            #expect(pattern.elements.count == side * side)
            #expect(abs(pattern.elements.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
            #expect(pattern.elements.enumerated().allSatisfy { ($1 > 0) == ($0 / side < side / 2) })
            for index in 0..<side * side {
                #expect(pattern.transposed[index] == pattern.elements[index % side * side + index / side])
            }
        }
    }

    @Test("changes of l2 have the length of the radius, and a window takes over what another had")
    func lengths() {
        let ball = PerturbationBall(.l2, epsilon: 0.5)
        let x = images(50, side: 10, channels: 3)
        var search = search(x, ball)
        search.start()
        judge(&search, margin: 5, images: 50)
        for query in 0..<30 {
            search.propose(side: query < 10 ? 5 : 3)
            for image in 0..<50 { #expect(abs(ball.distance(search.candidate, around: x, image: image) - 0.5) < 1e-5) }
            judge(&search, margin: 4 - 0.1 * Float(query), images: 50)
        }
        // A budget that is spent leaves every channel its length: each began with a third of the squares.
        for image in 0..<50 {
            for channel in 0..<3 {
                let squares = (0..<100).reduce(Float(0)) { sum, pixel in
                    let moved = search.best.pointer[image * 300 + pixel * 3 + channel] - 0.5
                    return sum + moved * moved
                }
                #expect(abs(squares - 0.25 / 3) < 1e-4)
            }
        }
        // Windows emptied: some pixels of the grid, which covered all, are back at the clean image.
        #expect(search.best.elements.contains { abs($0 - 0.5) < 1e-7 })
    }

    @Test(
        "fools a linear model from just above the least radius on, asking about images only while they are right")
    func linearOptimum() throws {
        let problem = LinearProblem(.twoOfFour, images: 6, workspace: workspace)
        for image in 0..<6 {
            let distance = problem.distance(image, .linf)
            for (factor, isFooled) in [(0.999, false), (1.001, true)] {
                let ball = PerturbationBall(epsilon: Float(factor * distance))
                #expect(try problem.isFooled(image, by: SquareAttack(ball: ball, queries: 3000)) == isFooled)
            }
        }
        let counter = CallCounter()
        var batch = problem.batch
        batch.labels[0][0] = (batch.labels[0][0] + 1) % 4
        let attack = SquareAttack(ball: PerturbationBall(epsilon: 0.5), queries: 400)
        let found = try attack.perturb(batch, LastLogitObjective(), against: CountingTarget(problem.target, counter))[0]
        #expect(found.slice(0..<1).toArray() == batch.images[0].slice(0..<1).toArray())
        #expect(counter.images[0] == 6 && counter.images[1] == 5 && counter.images.count < 401)
        #expect(zip(counter.images, counter.images.dropFirst()).allSatisfy { $0 >= $1 })
        #expect(counter.draws == Array(0..<counter.draws.count))
        let logits = problem.target.outputs([found], readsRouters: false, draw: 0)[0].logits
        #expect(zip(CrossEntropy.predictions(logits), batch.labels[0]).allSatisfy { $0 != $1 })
    }

    @Test("in l2 it comes within twice the least radius, from much farther away")
    func linearOptimumL2() throws {
        let problem = LinearProblem(.twoOfFour, images: 6, side: 12, channels: 1, workspace: workspace)
        for (factor, queries, fooled) in [(0.999, 3000, 0...0), (2, 3000, 6...6), (2, 0, 0...1)] {
            let count = try (0..<6).count { image in
                let ball = PerturbationBall(.l2, epsilon: Float(factor * problem.distance(image, .l2)))
                return try problem.isFooled(image, by: SquareAttack(ball: ball, queries: queries))
            }
            #expect(fooled.contains(count), "\(factor) \(queries): \(count)")
        }
    }

    @Test(
        "draws belong to seed, sample and step: other images and shards play no part",
        arguments: PerturbationBall.Norm.allCases)
    func independence(_ norm: PerturbationBall.Norm) throws {
        let problem = LinearProblem(.twoOfFour, images: 7, side: 8, workspace: workspace)
        let batch = problem.batch
        let distances = (0..<7).map { problem.distance($0, norm) }.sorted()
        // Some are never found, others at queries of their own.
        let attack = SquareAttack(
            ball: PerturbationBall(norm, epsilon: Float(distances[4] * (norm == .linf ? 1.05 : 2))), queries: 500)
        func run(_ batch: AttackBatch) throws -> [Float] {
            try attack.perturb(batch, CrossEntropyObjective(labels: batch.labels), against: problem.target)
                .flatMap { $0.toArray() }
        }
        let whole = try run(batch)
        let size = batch.images[0].imageSize
        let clean = batch.images[0].toArray()
        let found = (0..<7).count { whole[$0 * size..<($0 + 1) * size] != clean[$0 * size..<($0 + 1) * size] }
        #expect(found > 1 && found < 7)
        for image in 0..<7 {
            #expect(try run(problem.batch(of: image)) == Array(whole[image * size..<(image + 1) * size]))
        }
        let parts = [[0, 1], [], [2, 3, 4, 5, 6]]
        var sharded = batch
        sharded.images = parts.map { ImageSelection.gather(batch.images[0], $0) }
        sharded.labels = parts.map { $0.map { batch.labels[0][$0] } }
        sharded.samples = parts.map { $0.map { batch.samples[0][$0] } }
        #expect(try run(sharded) == whole)
        let changes: [(inout AttackBatch) -> Void] = [
            { $0.seed = 6 }, { $0.step = 1 }, { $0.samples[0] = Array(0..<7) },
        ]
        for change in changes {
            var other = batch
            change(&other)
            #expect(try run(other) != whole)
        }
    }
}
