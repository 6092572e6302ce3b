import Foundation

/// Gives every image its experts while none takes more than its share: greedily, in rounds, those that an expert turns
/// away going to their next best one (robust-sparse-moes, "Greedy capacity assignment").
struct CapacityAssignment {
    let experts: Int
    /// Experts for each image.
    let topK: Int
    /// An expert's share of the batch, as a multiple of an even share; above 0.
    let capacityFactor: Double

    private static let rounds = 25

    /// Images that an expert takes out of a batch: ⌈k · images/experts · min(factor, images)⌉, at least 1.
    func capacity(images: Int) -> Int {
        // In Float, as the reference rounds; a Double could lie just above a whole number where a Float does not.
        let even = Float(Double(topK) * (Double(images) / Double(experts)))
        return min(images, max(1, Int((even * Float(min(capacityFactor, Double(images)))).rounded(.up))))
    }

    /// Returns the experts of each image, `[images][k]`, the preferred ones first.
    ///
    /// `preferences` are those of the whole batch, `[images][experts]`. Ties go to the lowest index, of experts and of
    /// images.
    ///
    /// In each round an image asks the experts that it likes best among those with room, and an expert accepts the
    /// images that like it best, by the softmax of the preferences over the experts that an image has not got yet. The
    /// last round knows no capacity, so that no image is left without its k experts.
    func choose(_ preferences: [Float]) -> [Int] {
        let images = preferences.count / experts
        var isAssigned = [Bool](repeating: false, count: preferences.count)
        var missing = [Int](repeating: topK, count: images)
        var room = [Int](repeating: capacity(images: images), count: experts)
        for round in 0..<Self.rounds {
            if round == Self.rounds - 1 { room = [Int](repeating: images, count: experts) }
            let affinities = affinities(preferences, isAssigned)
            var asking = [[Int]](repeating: [], count: experts)
            for image in 0..<images where missing[image] > 0 {
                let open = (0..<experts).filter { room[$0] > 0 && !isAssigned[image * experts + $0] }
                let wanted = open.sorted {
                    let (a, b) = (preferences[image * experts + $0], preferences[image * experts + $1])
                    return a != b ? a > b : $0 < $1
                }
                for expert in wanted.prefix(missing[image]) { asking[expert].append(image) }
            }
            for expert in 0..<experts {
                let accepted = asking[expert].sorted {
                    let (a, b) = (affinities[$0 * experts + expert], affinities[$1 * experts + expert])
                    return a != b ? a > b : $0 < $1
                }.prefix(room[expert])
                room[expert] -= accepted.count
                for image in accepted {
                    isAssigned[image * experts + expert] = true
                    missing[image] -= 1
                }
            }
            if missing.allSatisfy({ $0 == 0 }) { break }
        }
        return (0..<images).flatMap { image in
            (0..<experts).filter { isAssigned[image * experts + $0] }.sorted {
                let (a, b) = (preferences[image * experts + $0], preferences[image * experts + $1])
                return a != b ? a > b : $0 < $1
            }
        }
    }

    /// The softmax of each image's preferences, over the experts that it has not got yet.
    private func affinities(_ preferences: [Float], _ isAssigned: [Bool]) -> [Double] {
        var result = [Double](repeating: 0, count: preferences.count)
        for start in stride(from: 0, to: preferences.count, by: experts) {
            let open = (start..<start + experts).filter { !isAssigned[$0] }
            let largest = open.map { preferences[$0] }.max() ?? 0
            var sum = 0.0
            for place in open {
                result[place] = exp(Double(preferences[place] - largest))
                sum += result[place]
            }
            for place in open { result[place] /= sum }
        }
        return result
    }
}
