import Tensors

/// The order in which the images of every shard are sorted by expert, and the way back.
struct SharedOrder {
    /// For each shard, which image stands at each place.
    let places: [[Int]]
    /// For each shard, the place of each image.
    let inverse: [[Int]]
    /// For each shard, the places of each expert's images.
    let ranges: [[Range<Int>]]

    init(_ routes: [Routes], experts: Int) {
        let sorted = routes.map { routes in
            (0..<routes.images).sorted { a, b in
                (routes.experts[a], a) < (routes.experts[b], b)
            }
        }
        places = sorted
        inverse = sorted.map { order in
            var result = [Int](repeating: 0, count: order.count)
            for (place, image) in order.enumerated() { result[image] = place }
            return result
        }
        ranges = routes.map { routes in
            var start = 0
            return (0..<experts).map { expert in
                let count = routes.experts.count { $0 == expert }
                defer { start += count }
                return start..<start + count
            }
        }
    }

    /// Sorts the images of every shard.
    func sort(_ x: [Tensor]) -> [Tensor] { zip(x, places).map { ImageSelection.gather($0, $1) } }

    /// Brings sorted images back to where they were.
    func restore(_ x: [Tensor]) -> [Tensor] { zip(x, inverse).map { ImageSelection.gather($0, $1) } }
}
