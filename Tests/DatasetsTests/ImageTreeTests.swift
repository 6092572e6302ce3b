import Foundation
import Tensors
import TestSupport
import Testing

@testable import Datasets

@Suite("Folders of images")
struct ImageTreeTests {
    /// Copies image files into a tree: place in the tree, and which file.
    static func tree(_ files: [(String, String)]) throws -> ScratchFolder {
        let folder = try ScratchFolder()
        for (place, name) in files { try folder.write(place, ImageFixture.file(name)) }
        return folder
    }

    /// Three classes with three training images and one or two validation images.
    static func animals(_ test: String = "val", more: [(String, String)] = []) throws -> ScratchFolder {
        try tree(
            [
                ("train/cat/1.jpg", "rgb.jpg"), ("train/cat/2.JPEG", "grey.jpg"), ("train/cat/10.png", "rgb.png"),
                ("train/ant/b.png", "rgba.png"), ("train/ant/a.png", "palette.png"),
                ("train/ant/deep/c.jpg", "cmyk.jpg"),
                ("train/dog/x.jpeg", "ycck.jpg"), ("train/dog/y.PNG", "grey.png"), ("train/dog/z.png", "bits.png"),
                ("\(test)/ant/1.jpg", "rgb.jpg"), ("\(test)/cat/1.png", "rgb.png"), ("\(test)/cat/2.jpg", "grey.jpg"),
                ("\(test)/dog/1.png", "grey.png"),
            ] + more)
    }

    private func load(
        _ folder: ScratchFolder, _ split: DatasetSplit = .train, samples: Int? = nil,
        options: ImageFileOptions = ImageFileOptions(resize: 16)
    ) throws(DatasetError) -> ImageSet {
        try loadDataset(.folder, path: folder.path, split: split, samples: samples, options: options)
    }

    private func resized(_ name: String, _ side: Int = 16) throws -> [UInt8] {
        try ImageFixture.resized(name, PictureSize(height: side, width: side), .shorterSide)
    }

    @Test("Classes are the sorted folders, images go round them, and every one is its own file", arguments: [1, 3])
    func loads(threads: Int) throws {
        let folder = try Self.animals(more: [("train/cat/.hidden.jpg", "rgb.jpg")])
        let options = ImageFileOptions(resize: 16, loop: ParallelLoop(threads: threads))
        let train = try load(folder, options: options)
        #expect(train.classNames == ["ant", "cat", "dog"])
        #expect(train.labels == [0, 1, 2, 0, 1, 2, 0, 1, 2])
        #expect(train.warnings.isEmpty)
        #expect(train.height == 16 && train.width == 16 && train.channels == 3)
        #expect(train.mean == [0.485, 0.456, 0.406] && train.standardDeviation == [0.229, 0.224, 0.225])
        // By bytes: 1, 10, 2 and a, b, deep.
        let order = [
            "palette.png", "rgb.jpg", "ycck.jpg", "rgba.png", "rgb.png", "grey.png", "cmyk.jpg", "grey.jpg", "bits.png",
        ]
        for (index, name) in order.enumerated() {
            #expect(try Array(train.images[index * 768..<(index + 1) * 768]) == resized(name), "\(name)")
        }
        let test = try load(folder, .test, options: options)
        #expect(test.labels == [0, 1, 2, 1])
        #expect(test.classNames == train.classNames)
    }

    @Test("The first n images are of all classes alike, and only their files are opened")
    func loadsFew() throws {
        let folder = try Self.animals(more: [("train/dog/z.png", "bomb.png")])
        let few = try load(folder, samples: 4)
        #expect(few.labels == [0, 1, 2, 0])
        #expect(try few.images == load(Self.animals(), samples: 4).images)
        #expect(throws: DatasetError.wrongSampleCount(dataset: .folder, split: .train, asked: 10, found: 9)) {
            try load(folder, samples: 10)
        }
    }

    @Test("Validation images lie in val, validation or test", arguments: ["val", "validation", "test"])
    func findsTestSplit(name: String) throws {
        #expect(try load(Self.animals(name), .test).count == 4)
    }

    @Test("Without settings images are stored at 256 and seen at 224; other sizes are seen whole unless cropped")
    func sizes() throws {
        let folder = try Self.animals()
        let usual = try load(folder, samples: 1, options: ImageFileOptions())
        #expect(usual.window == ImageWindow(storedHeight: 256, storedWidth: 256, height: 224, width: 224))
        #expect(usual.traits.height == 224 && usual.images.count == 256 * 256 * 3)
        let cropped = try load(folder, samples: 1, options: ImageFileOptions(resize: 16, crop: 12))
        #expect(cropped.window == ImageWindow(storedHeight: 16, storedWidth: 16, height: 12, width: 12))
        let message = expectError(
            .wrongSetting(key: "data.crop", value: "17", allowed: "1 to 16 in images of 16 x 16")
        ) { () throws(DatasetError) in try load(folder, options: ImageFileOptions(resize: 16, crop: 17)) }
        #expect(message == "data.crop is 17, allowed is 1 to 16 in images of 16 x 16")
    }

    @Test("Corrupt files are named with the reason and counted, or left out with a warning; the others stay")
    func corrupt() throws {
        let folder = try Self.animals(more: [("train/ant/b.png", "bomb.png"), ("train/dog/y.PNG", "zero.png")])
        try folder.write("train/cat/1.jpg", Array(ImageFixture.file("rgb.jpg").dropLast(100)))
        do {
            _ = try load(folder)
            Issue.record("corrupt files were loaded")
        } catch {
            guard case .corruptImages(let path, let images, let read) = error else { throw error }
            #expect(path == folder.path && read == 9)
            #expect(images.map(\.file) == ["train/cat/1.jpg", "train/ant/b.png", "train/dog/y.PNG"])
            #expect(error.description.contains("3 of 9 images cannot be decoded: train/cat/1.jpg (JPEG: Premature end"))
            #expect(error.description.contains("data.corrupt=skip"))
        }
        for threads in 1...2 {
            let options = ImageFileOptions(resize: 16, corrupt: .skip, loop: ParallelLoop(threads: threads))
            let set = try load(folder, options: options)
            #expect(set.labels == [0, 2, 1, 0, 1, 2])
            #expect(try Array(set.images[768..<2 * 768]) == resized("ycck.jpg"))
            #expect(set.warnings.count == 1)
            #expect(set.warnings[0].contains("3 of 9 images cannot be decoded and are left out"))
            // The first n are the first n that there are.
            let few = try load(folder, samples: 3, options: options)
            #expect(few.labels == [0, 2, 1])
            #expect(few.images == set.images.prefix(3 * 768))
            #expect(throws: DatasetError.wrongSampleCount(dataset: .folder, split: .train, asked: 7, found: 6)) {
                try load(folder, samples: 7, options: options)
            }
            #expect(set.fingerprint != few.fingerprint)
        }
        #expect(try load(Self.animals()).fingerprint == load(Self.animals()).fingerprint)
        let hopeless = try Self.tree([("train/a/1.png", "zero.png"), ("val/a/1.png", "rgb.png")])
        #expect(throws: DatasetError.self) { try load(hopeless, options: ImageFileOptions(resize: 16, corrupt: .skip)) }
    }

    @Test("Where there is no folder train, the test images can be had alone")
    func loadsTestAlone() throws {
        let folder = try Self.animals()
        let (whole, alone) = (try load(folder, .test), try Self.animals())
        try FileManager.default.removeItem(atPath: alone("train"))
        let set = try load(alone, .test)
        #expect(set.classNames == whole.classNames && set.labels == whole.labels && set.images == whole.images)
        #expect(throws: DatasetError.self) { try load(alone) }
        try FileManager.default.removeItem(atPath: folder("train/ant"))
        let message = expectError(
            .unusableTree(folder: folder.path, reason: "classes differ: train lacks ant of val")
        ) { () throws(DatasetError) in try load(folder, .test) }
        #expect(message.contains("ant"))
    }

    @Test("All ranks of a host together are held against its memory, or the job's")
    func refusesTooMuch() throws {
        let folder = try Self.animals()
        var options = ImageFileOptions(resize: 16)
        // Nine images of 768 bytes in each of three ranks take half of this.
        options.memory = MemoryBudget(jobLimit: 2 * 3 * 9 * 768, ranks: 3)
        #expect(try load(folder, options: options).count == 9)
        options.memory = MemoryBudget(jobLimit: 2 * 3 * 9 * 768 - 1, ranks: 3)
        do {
            _ = try load(folder, options: options)
            Issue.record("more was loaded than there is memory")
        } catch {
            guard case .exceedsMemory(folder.path, 9 * 768, options.memory, _) = error else { throw error }
            #expect(error.description.contains("in each of 3 ranks of a host"))
            #expect(error.description.contains("robustmoe data pack"))
        }
        #expect(try load(folder, samples: 8, options: options).count == 8)
    }

    @Test("Trees that are not as they have to be are refused with what is missing")
    func refusesTrees() throws {
        func message(_ files: [(String, String)], _ split: DatasetSplit = .train) throws -> String {
            do {
                _ = try load(Self.tree(files), split)
                return "none"
            } catch let error as DatasetError {
                guard case .unusableTree(_, let reason) = error else { throw error }
                return reason
            }
        }
        #expect(try message([("cat/1.png", "rgb.png")]) == "no folder train with a folder for each class")
        #expect(try message([("train/1.png", "rgb.png"), ("val/a/1.png", "rgb.png")]) == "no folder of a class")
        #expect(try message([("train/a/1.png", "rgb.png")]) == "none of the folders val, validation, test")
        let empty = [
            ("train/a/1.png", "rgb.png"), ("train/b/notes.txt", "make_fixtures.py"), ("val/a/1.png", "rgb.png"),
        ]
        #expect(try message(empty) == "classes differ: val lacks b of train")
        #expect(
            try message(empty + [("val/b/1.png", "rgb.png")]) == "a class without a JPEG or PNG file")
        let extra = [("train/a/1.png", "rgb.png"), ("val/a/1.png", "rgb.png")]
        #expect(
            try message(extra + ["q", "r", "s", "t"].map { ("val/\($0)/1.png", "rgb.png") })
                == "classes differ: train lacks q, r, s and 1 more of val")
        expectError(.pathNeeded(dataset: .folder)) { () throws(DatasetError) in
            try loadDataset(.folder, path: nil, split: .train)
        }
    }

    @Test("A window is cut from the middle of stored images, and anywhere for training")
    func windows() throws {
        let window = ImageWindow(storedHeight: 256, storedWidth: 256, height: 224, width: 224)
        #expect(window.top == 16 && window.rowShifts == -16...16 && window.columnShifts == -16...16)
        let odd = ImageWindow(storedHeight: 16, storedWidth: 19, height: 13, width: 14)
        // Half a row is rounded to even, as Python does: 1.5 to 2, 2.5 to 2.
        #expect(odd.top == 2 && odd.rowShifts == -2...1)
        #expect(odd.left == 2 && odd.columnShifts == -2...3)
        #expect(ImageWindow(storedHeight: 8, storedWidth: 8, height: 8, width: 8).rowShifts == -4...4)

        let set = try load(Self.animals(), samples: 2, options: ImageFileOptions(resize: 16, crop: 11))
        let workspace = Workspace()
        let chunk = set.chunk(0..<2, workspace: workspace)
        #expect(chunk.images.shape == "[2, 11, 11, 3]")
        let pixels = chunk.images.toArray()
        // 2.5 rows above the middle are 2.
        for (y, x, channel) in [(0, 0, 0), (3, 7, 1), (10, 10, 2)] {
            let stored = 768 + ((y + 2) * 16 + x + 2) * 3 + channel
            let seen = 363 + (y * 11 + x) * 3 + channel
            #expect(pixels[seen] == Float(set.images[stored]) / 255)
        }
        var seen: Set<Int> = []
        for index in 0..<400 {
            let draw = AugmentationDraw(seed: 3, epoch: 1, index: index, [.crop, .flip], in: set.window)
            #expect(set.window.rowShifts.contains(draw.rows) && set.window.columnShifts.contains(draw.columns))
            seen.insert(draw.rows * 100 + draw.columns)
        }
        #expect(seen.count == 36)
        let corner = AugmentationDraw(rows: -2, columns: 3, mirrored: true)
        let tensor = Tensor(workspace, images: 1, height: 11, width: 11, channels: 3)
        set.write(1, corner, to: tensor.pointer)
        // The first column of the mirrored window is the last of the stored image.
        #expect(tensor.toArray()[0] == Float(set.images[768 + 15 * 3]) / 255)
    }
}
