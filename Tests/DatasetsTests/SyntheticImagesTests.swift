import Testing

@testable import Datasets

@Suite("Synthetic images and data set traits")
struct SyntheticImagesTests {
    @Test("The synthetic set is the same every time, has 2,000 and 500 images, and grows at its end")
    func isDeterministic() throws {
        let train = try loadDataset(.synthetic, path: nil, split: .train)
        let test = try loadDataset(.synthetic, path: nil, split: .test)
        #expect(train.count == 2000)
        #expect(test.count == 500)
        #expect([train.height, train.width, train.channels, train.classes] == [32, 32, 3, 10])
        #expect(try loadDataset(.synthetic, path: nil, split: .test).images == test.images)
        let more = try loadDataset(.synthetic, path: nil, split: .test, samples: 501)
        #expect(more.images.prefix(500 * 3072) == test.images[...])
        #expect(train.images.prefix(500 * 3072) != test.images[...])
        #expect(SyntheticImages(seed: 1).images(.test, count: 500).images != test.images)
        expectError(.wrongSampleCount(dataset: .synthetic, split: .test, asked: 0, found: 500)) {
            () throws(DatasetError) in try loadDataset(.synthetic, path: nil, split: .test, samples: 0)
        }
    }

    @Test("The synthetic classes can be learned: the nearest class mean is right far more often than chance")
    func isLearnable() throws {
        let train = try loadDataset(.synthetic, path: nil, split: .train)
        let test = try loadDataset(.synthetic, path: nil, split: .test)
        var means = [[Double]](repeating: [Double](repeating: 0, count: 3072), count: 10)
        for index in 0..<train.count {
            let label = Int(train.labels[index])
            for place in 0..<3072 { means[label][place] += Double(train.images[index * 3072 + place]) }
        }
        let scale = Double(train.count / 10)
        var correct = 0
        for index in 0..<test.count {
            let distances = means.map { mean in
                (0..<3072).reduce(0.0) { sum, place in
                    let difference = mean[place] / scale - Double(test.images[index * 3072 + place])
                    return sum + difference * difference
                }
            }
            let nearest = distances.indices.min { distances[$0] < distances[$1] }
            if nearest == Int(test.labels[index]) { correct += 1 }
        }
        #expect(Double(correct) / Double(test.count) > 0.8)
    }

    @Test("Names, constants and augmentations are those of the contract")
    func traits() {
        #expect(
            DatasetName.allCases.map(\.rawValue) == [
                "cifar10", "cifar100", "fashion-mnist", "mnist", "tiny-imagenet", "folder", "synthetic",
            ])
        #expect(DatasetName.allCases.map(\.traits.classes) == [10, 100, 10, 10, 200, 1000, 10])
        #expect(
            DatasetName.allCases.map { $0.traits.augmentations.map(\.rawValue) } == [
                ["crop", "flip"], ["crop", "flip"], ["crop"], ["crop"], ["crop", "flip"], ["crop", "flip"], [],
            ])
        #expect(DatasetName.cifar10.traits.mean == [0.4914, 0.4822, 0.4465])
        #expect(DatasetName.cifar100.traits.standardDeviation == [0.26733428, 0.25643846, 0.27615047])
        let names = DatasetName.cifar100.traits.classNames
        #expect(Set(names).count == 100)
        #expect(names == names.sorted())
    }
}
