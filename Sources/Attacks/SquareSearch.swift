import Tensors

/// The Square attack's search over the images of one shard that are still right.
struct SquareSearch {
    private let ball: PerturbationBall
    private var labels: [Int32]
    private var center: Tensor
    /// What a query asks about: the best points, with one change each.
    private(set) var candidate: Tensor
    /// The points of the smallest margins.
    private(set) var best: Tensor
    private var margins: [Double]
    /// Every query takes as many draws of an image's own stream.
    private var streams: [RandomStream]
    /// The pattern of the last query, in l2.
    private var pattern: SquarePattern?
    /// Where candidates may differ from the best points.
    private var changes: [Window]

    /// Makes a search that knows no point yet.
    init(around center: Tensor, labels: [Int32], _ ball: PerturbationBall, _ stream: (_ image: Int) -> RandomStream) {
        self.ball = ball
        self.labels = labels
        self.center = center
        candidate = center.duplicate()
        best = center.duplicate()
        margins = [Double](repeating: .infinity, count: center.images)
        streams = (0..<center.images).map(stream)
        changes = [Window](repeating: Window(center), count: center.images)
    }

    /// Goes on with these images alone.
    mutating func select(_ images: [Int]) {
        labels = images.map { labels[$0] }
        center = ImageSelection.gather(center, images)
        candidate = ImageSelection.gather(candidate, images)
        best = ImageSelection.gather(best, images)
        margins = images.map { margins[$0] }
        streams = images.map { streams[$0] }
        changes = images.map { changes[$0] }
    }

    /// Makes the first candidates: stripes, columns of which each channel has a sign of its own, at the border of the
    /// ball in l-infinity; in l2 a grid of patterns.
    mutating func start() {
        for image in 0..<center.images {
            changes[image] = Window(center)
            switch ball.norm {
            case .linf:
                let signs = (0..<center.width * center.channels).map { _ in streams[image].sign() }
                paint(signs, image)
            case .l2: SquarePattern.grid(around: center, into: candidate, image, ball.epsilon, &streams[image])
            }
        }
    }

    /// Makes candidates of the best points that differ from them in a square, in l2 in two and by a factor.
    mutating func propose(side: Int) {
        switch ball.norm {
        case .linf:
            for image in 0..<center.images {
                changes[image] = Window.draw(side: side, center, &streams[image])
                let signs = (0..<center.channels).map { _ in streams[image].sign() }
                paint([[Float]](repeating: signs, count: side).flatMap { $0 }, image)
            }
        case .l2:
            if pattern?.side != side { pattern = SquarePattern(side: side) }
            for image in 0..<center.images {
                pattern?.apply(to: best, around: center, into: candidate, image, ball.epsilon, &streams[image])
            }
        }
    }

    /// Moves the pixels of a window to the border of the ball, every row of it on the sides that `signs` says.
    private func paint(_ signs: [Float], _ image: Int) {
        let window = changes[image]
        for row in window.rows {
            let start = window.offset(center, image, row)
            for (index, sign) in signs.enumerated() {
                let moved = center.pointer[start + index] + ball.epsilon * sign
                candidate.pointer[start + index] = min(max(moved, 0), 1)
            }
        }
    }

    /// Keeps the candidates that have a smaller margin or are wrong, and takes back the others.
    /// - Parameter logits: `[images, 1, 1, classes]`, of the candidates.
    mutating func judge(_ logits: Tensor, _ isRight: [Bool]) {
        for image in 0..<center.images {
            let row = logits.pointer + image * logits.channels
            let label = Int(labels[image])
            var other = -Float.infinity
            for index in 0..<logits.channels where index != label && row[index] > other { other = row[index] }
            let margin = Double(row[label]) - Double(other)
            if margin < margins[image] || !isRight[image] {
                margins[image] = margin
                changes[image].copy(candidate, to: best, image)
            } else {
                changes[image].copy(best, to: candidate, image)
            }
        }
    }
}

extension RandomStream {
    /// 1 or -1.
    mutating func sign() -> Float { nextWord() >> 31 == 0 ? 1 : -1 }
}
