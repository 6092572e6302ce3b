/// How often each class occurs, is predicted, and is predicted rightly.
package struct ClassCounts: Equatable {
    /// Images of each class.
    private(set) var images: [Int]
    /// Predictions of each class.
    private(set) var predicted: [Int]
    /// Images of each class that are predicted as such.
    private(set) var correct: [Int]

    /// Counts of no images.
    package init(classes: Int) {
        images = [Int](repeating: 0, count: classes)
        predicted = images
        correct = images
    }

    /// Counts a list of images.
    package mutating func add(labels: [Int], predictions: [Int]) {
        for (label, prediction) in zip(labels, predictions) {
            images[label] += 1
            predicted[prediction] += 1
            if label == prediction { correct[label] += 1 }
        }
    }

    /// Right predictions of a class over all predictions of it; nil without any.
    package func precision(_ label: Int) -> Double? {
        predicted[label] > 0 ? Double(correct[label]) / Double(predicted[label]) : nil
    }

    /// Right predictions of a class over all its images; nil without any.
    package func recall(_ label: Int) -> Double? {
        images[label] > 0 ? Double(correct[label]) / Double(images[label]) : nil
    }

    /// The harmonic mean of precision and recall; nil where no image is of the class or predicted so.
    package func f1(_ label: Int) -> Double? {
        let sum = images[label] + predicted[label]
        return sum > 0 ? 2 * Double(correct[label]) / Double(sum) : nil
    }
}
