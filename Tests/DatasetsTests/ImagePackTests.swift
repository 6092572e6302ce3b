import Files
import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite("Packs")
struct ImagePackTests {
    /// Packs a folder of images and returns the file's bytes.
    static func pack(
        _ folder: ScratchFolder, _ name: DatasetName = .folder, resize: Int? = 16, mode: ResizeMode? = nil
    ) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var writer = try PackWriter { bytes += $0 }
        var last: DatasetScan?
        for split in DatasetSplit.allCases {
            let options = ImageFileOptions(resize: resize, resizeMode: mode)
            let scan = try scanDataset(name, path: folder.path, split: split, options: options) { block in
                try writer.append(block.images, block.labels)
            }
            try writer.endSplit(split, sha256: scan.sha256)
            last = scan
        }
        let scan = try #require(last)
        try writer.finish(name, scan)
        return bytes
    }

    @Test("A pack gives back the folder it was made of, bit for bit", arguments: DatasetSplit.allCases)
    func roundTrip(split: DatasetSplit) throws {
        let folder = try ImageTreeTests.animals()
        let path = try folder.write("animals.pack", Self.pack(folder))
        let packed = try loadDataset(.folder, path: path, split: split)
        let decoded = try loadDataset(
            .folder, path: folder.path, split: split, options: ImageFileOptions(resize: 16))
        #expect(packed.images == decoded.images && packed.labels == decoded.labels)
        #expect(packed.traits == decoded.traits && packed.window == decoded.window)
        #expect(packed.warnings.isEmpty)
        let few = try loadDataset(.folder, path: path, split: split, samples: 2, options: ImageFileOptions(crop: 9))
        #expect(few.labels == [0, 1] && few.images == decoded.images.prefix(2 * 768))
        #expect(few.height == 9)
        #expect(throws: DatasetError.self) { try loadDataset(.folder, path: path, split: split, samples: 99) }
        let (own, other) = (
            try scanDataset(.folder, path: path, split: split),
            try scanDataset(.folder, path: folder.path, split: split, options: ImageFileOptions(resize: 16))
        )
        #expect(own.sha256 == other.sha256 && own.classCounts == other.classCounts)
        #expect(other.fileSizes?.smallest == "19 x 23" && own.fileSizes == nil)
    }

    @Test("Names, mean and deviation come from the pack, and it is of one data set")
    func carriesTraits() throws {
        let folder = try TinyImageNetTests.tiny()
        let path = try folder.write("tiny.pack", Self.pack(folder, .tinyImageNet, resize: nil))
        let set = try loadDataset(.tinyImageNet, path: path, split: .train)
        #expect(set.classNames == ["goldfish, carp", "n02"])
        #expect(set.mean == DatasetName.tinyImageNet.traits.mean)
        #expect(set.height == 64 && set.width == 64)
        expectError(
            .unusablePack(file: path, reason: "a pack of tiny-imagenet, expected one of folder")
        ) { () throws(DatasetError) in try loadDataset(.folder, path: path, split: .train) }
        expectError(
            .wrongSetting(
                key: "data.resize", value: "32", allowed: "null: the images of the pack \(path) are 64 x 64 for good")
        ) { () throws(DatasetError) in
            try loadDataset(.tinyImageNet, path: path, split: .train, options: ImageFileOptions(resize: 32))
        }
    }

    @Test("A pack says how its pictures became squares, and older ones, which do not, were squashed")
    func recordsResizeMode() throws {
        let folder = try ImageTreeTests.animals()
        func load(_ path: String, _ mode: ResizeMode?, resize: Int? = nil) throws(DatasetError) -> ImageSet {
            let options = ImageFileOptions(resize: resize, resizeMode: mode)
            return try loadDataset(.folder, path: path, split: .train, options: options)
        }
        for (mode, other) in [(ResizeMode.shorterSide, ResizeMode.squash), (.squash, .shorterSide)] {
            let path = try folder.write("\(mode).pack", Self.pack(folder, mode: mode))
            #expect(try load(path, nil).images == load(folder.path, mode, resize: 16).images)
            #expect(try load(path, mode).count == 9)
            let message = expectError(
                .wrongSetting(
                    key: "data.resize_mode", value: other.rawValue,
                    allowed: "null: the pack \(path) was made with \(mode.rawValue)")
            ) { () throws(DatasetError) in try load(path, other) }
            #expect(message.contains("data.resize_mode is \(other.rawValue)"))
        }
        #expect(
            try load(folder.path, .squash, resize: 16).images != load(folder.path, .shorterSide, resize: 16).images)
        let old = try Self.withIndex(of: Self.pack(folder, mode: .squash)) {
            $0.replacingOccurrences(of: "\"resize_mode\":\"squash\",", with: "")
        }
        let path = try folder.write("old.pack", old)
        #expect(try load(path, .squash).images == load(folder.path, .squash, resize: 16).images)
        #expect(throws: DatasetError.self) { try load(path, .shorterSide) }
    }

    /// The bytes of a pack with another index, whose length and checksum are right.
    static func withIndex(of pack: [UInt8], _ change: (String) -> String) -> [UInt8] {
        let length = pack[(pack.count - 48)...].prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        let end = pack.count - 48 - length
        let changed = Array(change(String(decoding: pack[end..<pack.count - 48], as: UTF8.self)).utf8)
        let size = withUnsafeBytes(of: UInt64(changed.count).littleEndian) { Array($0) }
        return pack[..<end] + changed + size + ContentDigest(of: changed).bytes + Array("RMOEDONE".utf8)
    }

    @Test("The file is laid out as documented")
    func layout() throws {
        let bytes = try Self.pack(ImageTreeTests.animals())
        #expect(Array(bytes[..<12]) == Array("RMOEPACK".utf8) + [1, 0, 0, 0])
        #expect(bytes[12..<4096].allSatisfy { $0 == 0 })
        #expect(Array(bytes.suffix(8)) == Array("RMOEDONE".utf8))
        let length = bytes[(bytes.count - 48)...].prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        let text = Data(bytes[(bytes.count - 48 - length)..<bytes.count - 48])
        let index = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
        #expect(index["dataset"] as? String == "folder" && index["height"] as? Int == 16)
        #expect(index["class_names"] as? [String] == ["ant", "cat", "dog"])
        let splits = try #require(index["splits"] as? [[String: Any]])
        #expect(splits.map { $0["name"] as? String } == ["train", "test"])
        #expect(splits.map { $0["count"] as? Int } == [9, 4])
        // 9 images of 768 bytes take two pages, their labels one.
        #expect(splits.map { $0["images_offset"] as? Int } == [4096, 16384])
        #expect(splits.map { $0["labels_offset"] as? Int } == [12288, 20480])
        #expect(bytes[12288..<12300] == [0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0])
    }

    /// Why the training images of a pack cannot be had.
    private func refusal(_ path: String) throws -> String {
        do {
            _ = try loadDataset(.folder, path: path, split: .train)
            return "none"
        } catch {
            guard case .unusablePack(path, let reason) = error else { throw error }
            return reason
        }
    }

    @Test("A pack with damage of any kind is refused with the reason")
    func refusesDamage() throws {
        let folder = try ImageTreeTests.animals()
        let whole = try Self.pack(folder)
        func reason(_ change: (inout [UInt8]) throws -> Void) throws -> String {
            var bytes = whole
            try change(&bytes)
            let path = try folder.write("damaged.pack", bytes)
            return try refusal(path)
        }
        #expect(try reason { _ in } == "none")
        #expect(try reason { $0[0] = 0 }.contains("no pack"))
        #expect(try reason { $0 = [] }.contains("no pack"))
        #expect(try reason { $0[8] = 2 } == "a pack of version 2, expected 1")
        #expect(try reason { $0.removeLast() }.contains("cut short"))
        #expect(try reason { $0.append(0) }.contains("bytes after its end"))
        #expect(try reason { $0 = Array($0[..<5000]) }.contains("cut short"))
        #expect(try reason { $0 = Array($0[..<100]) }.contains("cut short, at 100 bytes"))
        #expect(try reason { $0[$0.count - 41] = 0xff }.contains("an index of"))
        #expect(try reason { $0[$0.count - 48] ^= 1 }.contains("the index does not have its SHA-256"))
        #expect(try reason { $0[$0.count - 60] ^= 1 }.contains("the index does not have its SHA-256"))
        #expect(try reason { $0[$0.count - 20] ^= 1 }.contains("the index does not have its SHA-256"))
        #expect(try reason { $0[4096 + 1000] ^= 1 }.contains("damaged: train has the SHA-256"))
        #expect(try reason { $0[12288 + 4] ^= 1 }.contains("damaged: train has the SHA-256"))
        // Training reads train and test each, so damage of the other split is found when that is opened.
        #expect(try reason { $0[16384] ^= 1 } == "none")
        var bytes = whole
        bytes[16384] ^= 1
        let path = try folder.write("damaged.pack", bytes)
        #expect(throws: DatasetError.self) { try scanDataset(.folder, path: path, split: .test) }
        bytes = whole
        bytes[12288 + 7] = 0x7f
        try folder.write("damaged.pack", bytes)
        #expect(throws: DatasetError.self) { try loadDataset(.folder, path: path, split: .train) }
    }

    @Test("An index that contradicts itself or the file is refused, whatever its checksum says")
    func refusesContradictions() throws {
        let folder = try ImageTreeTests.animals()
        let whole = try Self.pack(folder)
        func reason(_ old: String, _ new: String) throws -> String {
            let bytes = Self.withIndex(of: whole) { text in
                #expect(text.contains(old))
                return text.replacingOccurrences(of: old, with: new)
            }
            let path = try folder.write("changed.pack", bytes)
            return try refusal(path)
        }
        #expect(try reason("\"height\":16", "\"height\":0").contains("images of 0 x 16 x 3"))
        #expect(try reason("\"height\":16", "\"height\":65535").contains("images of train in"))
        // Images of other rows within the same pages are others than those of the checksum.
        #expect(try reason("\"height\":16", "\"height\":15").contains("damaged: train has the SHA-256"))
        #expect(try reason("\"count\":9", "\"count\":1000000000000000000").contains("images of train in"))
        #expect(try reason("\"count\":9", "\"count\":-1").contains("-1 images of train"))
        #expect(try reason("\"channels\":3", "\"channels\":1").contains("mean"))
        #expect(try reason("\"images_offset\":16384", "\"images_offset\":0").contains("expected 16384"))
        #expect(try reason("\"labels_offset\":12288", "\"labels_offset\":8192").contains("expected 4096 and 12288"))
        #expect(try reason("\"name\":\"test\"", "\"name\":\"train\"").contains("splits"))
        #expect(try reason("[\"ant\",\"cat\",\"dog\"]", "[]").contains("no class"))
        #expect(try reason("\"height\":16", "\"height\":\"tall\"").contains("cannot be read"))
        #expect(try reason("\"shorter-side\"", "\"longer-side\"").contains("cannot be read"))
        #expect(try reason("{", "").contains("cannot be read"))
    }
}
