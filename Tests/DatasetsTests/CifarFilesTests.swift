import TestSupport
import Testing

@testable import Datasets

@Suite("CIFAR files")
struct CifarFilesTests {
    /// A record whose pixel bytes are a function of the record, the plane and the place.
    private func record(_ labels: [UInt8], _ number: Int) -> [UInt8] {
        labels + (0..<3072).map { pixel(number, $0 / 1024, $0 % 1024) }
    }

    private func pixel(_ record: Int, _ plane: Int, _ place: Int) -> UInt8 {
        UInt8((record * 31 + plane * 101 + place * 7 + place / 32) % 256)
    }

    @Test("CIFAR-10 planes become interleaved pixels, file after file in the order of their numbers")
    func loadsCifar10() throws {
        let folder = try ScratchFolder()
        // Eleven files: in alphabetical order the tenth would come second.
        for file in 1...11 {
            try folder.write("data_batch_\(file).bin", record([UInt8(file % 10)], file) + record([9], file + 100))
        }
        try folder.write("data_batch_1.bin.bak", [1, 2, 3])
        let set = try loadDataset(.cifar10, path: folder.path, split: .train)
        #expect(set.count == 22)
        #expect(set.labels == (1...11).flatMap { [Int32($0 % 10), 9] })
        #expect(set.warnings.count == 11)
        #expect([set.height, set.width, set.channels, set.classes] == [32, 32, 3, 10])
        for file in 1...11 {
            for (channel, place) in [(0, 0), (1, 0), (2, 5), (0, 33), (1, 1000), (2, 1023)] {
                #expect(set.images[(file - 1) * 6144 + place * 3 + channel] == pixel(file, channel, place))
                #expect(set.images[(file - 1) * 6144 + 3072 + place * 3 + channel] == pixel(file + 100, channel, place))
            }
        }
    }

    @Test("The folder above the files does as well, fewer than five files are a warning with counts")
    func warnsOfMissingFiles() throws {
        let folder = try ScratchFolder()
        try folder.write("cifar-10-batches-bin/data_batch_1.bin", record([3], 0) + record([4], 1) + record([5], 2))
        try folder.write("cifar-10-batches-bin/data_batch_2.bin", record([6], 3))
        try folder.write("cifar-10-batches-bin/test_batch.bin", record([7], 4))
        let train = try loadDataset(.cifar10, path: folder.path, split: .train, samples: 2)
        let place = folder.path + "/cifar-10-batches-bin"
        #expect(train.labels == [3, 4])
        #expect(train.images.count == 2 * 3072)
        #expect(
            train.warnings == [
                "\(place)/data_batch_1.bin: 3 images, the published file has 10000",
                "\(place)/data_batch_2.bin: 1 images, the published file has 10000",
                "\(place): 2 of 5 training files found "
                    + "(data_batch_1.bin, data_batch_2.bin), 4 images; the whole set has 50000",
            ])
        let test = try loadDataset(.cifar10, path: folder.path + "/", split: .test)
        #expect(test.labels == [7])
        #expect(test.warnings == ["\(place)/test_batch.bin: 1 images, the published file has 10000"])
    }

    @Test("The published number of records is no warning, any other is one with both counts")
    func countsRecords() throws {
        let folder = try ScratchFolder()
        let file = folder.path + "/test_batch.bin"
        func warnings(_ records: Int) throws -> [String] {
            try folder.write("test_batch.bin", [UInt8](repeating: 0, count: records * 3073))
            let set = try loadDataset(.cifar10, path: folder.path, split: .test, samples: 1)
            #expect(try scanDataset(.cifar10, path: folder.path, split: .test).warnings == set.warnings)
            return set.warnings
        }
        #expect(try warnings(10_000).isEmpty)
        #expect(try warnings(9_999) == ["\(file): 9999 images, the published file has 10000"])
        #expect(try warnings(10_001) == ["\(file): 10001 images, the published file has 10000"])
        try folder.write("train.bin", record([1, 1], 0))
        let train = try loadDataset(.cifar100, path: folder.path, split: .train)
        #expect(train.warnings == ["\(folder.path)/train.bin: 1 images, the published file has 50000"])
    }

    @Test("More images than there is memory for are refused with the numbers, gzip data as they come out")
    func refusesTooMuch() throws {
        let folder = try ScratchFolder()
        let file = try folder.write(
            "test_batch.bin", [UInt8](repeating: 0, count: 3000 * 3073), compressed: true)
        // Two thousand images of 3,072 bytes are half of it.
        let options = ImageFileOptions(memory: MemoryBudget(jobLimit: 4000 * 3072))
        expectError(
            .exceedsMemory(place: file, bytes: 3000 * 3072, budget: options.memory, advice: "")
        ) { () throws(DatasetError) in
            try loadDataset(.cifar10, path: folder.path, split: .test, samples: 1, options: options)
        }
        #expect(try loadDataset(.cifar10, path: folder.path, split: .test).count == 3000)
    }

    @Test("CIFAR-100 keeps the fine label")
    func loadsCifar100() throws {
        let folder = try ScratchFolder()
        try folder.write("cifar-100-binary/train.bin", record([19, 99], 1) + record([0, 42], 2))
        try folder.write("cifar-100-binary/test.bin", record([1, 7], 3))
        let train = try loadDataset(.cifar100, path: folder.path, split: .train)
        #expect(train.labels == [99, 42])
        #expect(train.images[3072 + 17 * 3 + 2] == pixel(2, 2, 17))
        #expect(train.classes == 100)
        #expect(try loadDataset(.cifar100, path: folder.path + "/cifar-100-binary", split: .test).labels == [7])
    }

    @Test("A gap in the numbers of the training files is an error")
    func refusesGap() throws {
        let folder = try ScratchFolder()
        try folder.write("data_batch_1.bin", record([0], 0))
        try folder.write("data_batch_3.bin", record([0], 0))
        let message = expectError(
            .gap(folder: folder.path, missing: ["data_batch_2.bin"], found: ["data_batch_1.bin", "data_batch_3.bin"])
        ) { () throws(DatasetError) in try loadDataset(.cifar10, path: folder.path, split: .train) }
        #expect(message.contains("data_batch_2.bin is missing"))
    }

    @Test("Missing files are named with the folders that were looked at")
    func namesMissingFiles() throws {
        let folder = try ScratchFolder()
        let message = expectError(
            .notFound(
                dataset: .cifar10, wanted: "data_batch_1.bin",
                folders: [folder.path, folder.path + "/cifar-10-batches-bin"])
        ) { () throws(DatasetError) in try loadDataset(.cifar10, path: folder.path, split: .train) }
        #expect(
            message == "data set cifar10: no data_batch_1.bin in \(folder.path) or \(folder.path)/cifar-10-batches-bin")
        expectError(
            .notFound(
                dataset: .cifar100, wanted: "test.bin", folders: [folder.path, folder.path + "/cifar-100-binary"])
        ) { () throws(DatasetError) in try loadDataset(.cifar100, path: folder.path, split: .test) }
        expectError(.pathNeeded(dataset: .cifar10)) { () throws(DatasetError) in
            try loadDataset(.cifar10, path: nil, split: .test)
        }
    }

    @Test("A file that ends inside a record is an error that gives the record and both sizes", arguments: [1, 1002])
    func refusesCutRecord(whole: Int) throws {
        let folder = try ScratchFolder()
        let bytes: [UInt8] = (0..<whole).flatMap { record([UInt8($0 % 10)], $0) } + [1, 2, 3]
        let file = try folder.write("test_batch.bin", bytes)
        // The damage is found although the images asked for lie before it.
        let message = expectError(
            .cutShort(file: file, record: whole, expected: (whole + 1) * 3073, found: whole * 3073 + 3)
        ) { () throws(DatasetError) in try loadDataset(.cifar10, path: folder.path, split: .test, samples: 1) }
        #expect(
            message == "\(file): ends inside record \(whole), expected \((whole + 1) * 3073) bytes, "
                + "found \(whole * 3073 + 3)")
    }

    @Test("A label outside of the classes is an error that gives the record, the label and what is allowed")
    func refusesLabel() throws {
        let folder = try ScratchFolder()
        let ten = try folder.write("test_batch.bin", record([9], 0) + record([10], 1))
        let message = expectError(.labelOutside(file: ten, record: 1, label: 10, allowed: 10)) {
            () throws(DatasetError) in try loadDataset(.cifar10, path: folder.path, split: .test)
        }
        #expect(message == "\(ten): record 1 has label 10, allowed are 0 to 9")
        let coarse = try folder.write("train.bin", record([20, 5], 0))
        expectError(.labelOutside(file: coarse, record: 0, label: 20, allowed: 20)) { () throws(DatasetError) in
            try loadDataset(.cifar100, path: folder.path, split: .train)
        }
        let fine = try folder.write("test.bin", record([19, 100], 0))
        expectError(.labelOutside(file: fine, record: 0, label: 100, allowed: 100)) { () throws(DatasetError) in
            try loadDataset(.cifar100, path: folder.path, split: .test)
        }
    }

    @Test("An empty file, and more images than there are, are errors")
    func refusesTooFew() throws {
        let folder = try ScratchFolder()
        let empty = try folder.write("test.bin", [])
        expectError(.empty(file: empty)) { () throws(DatasetError) in
            try loadDataset(.cifar100, path: folder.path, split: .test)
        }
        try folder.write("train.bin", record([1, 1], 0) + record([1, 1], 0))
        for asked in [3, 0, -1] {
            let message = expectError(
                .wrongSampleCount(dataset: .cifar100, split: .train, asked: asked, found: 2)
            ) { () throws(DatasetError) in
                try loadDataset(.cifar100, path: folder.path, split: .train, samples: asked)
            }
            #expect(message.contains("data.train_samples is \(asked), allowed are 1 to 2"))
        }
    }

    @Test("The real CIFAR files are whole and balanced", .enabled(if: RealData.hasCifar, "no CIFAR files here"))
    func readsRealFiles() throws {
        for (name, classes) in [(DatasetName.cifar10, 10), (.cifar100, 100)] {
            let test = try loadDataset(name, path: RealData.folder, split: .test)
            let train = try loadDataset(name, path: RealData.folder, split: .train)
            for set in [train, test] {
                var counts = [Int](repeating: 0, count: classes)
                for label in set.labels { counts[Int(label)] += 1 }
                #expect(counts.allSatisfy { $0 == set.count / classes })
            }
            #expect(test.count >= 2000)
            // The published constants belong to the pixels: planes read in another order would miss them.
            for channel in 0..<3 {
                let values = stride(from: channel, to: train.images.count, by: 3).map { Double(train.images[$0]) / 255 }
                let mean = values.reduce(0, +) / Double(values.count)
                #expect(abs(mean - Double(train.mean[channel])) < 0.006, "channel \(channel) of \(name)")
            }
        }
    }
}
