import Collectives
import Configuration
import Datasets
import Files
import Tensors

/// One invocation of `robustmoe data`: one process goes over the images of both splits.
package struct DataSession: Sendable {
    private let configuration: RunConfiguration
    private let threads: Int
    /// How the files are read.
    private let options: ImageFileOptions

    /// Makes a session; the images are those of the configuration's section `data`, samples left aside.
    package init(_ configuration: RunConfiguration) throws {
        self.configuration = configuration
        let alone = SoloCommunicator()
        let requested: Int? = if case .given(let count) = configuration.distributed.threads { count } else { nil }
        threads = try NodeTopology.gather(alone).chooseThreads(requested: requested).threads[0]
        options = try configuration.data.imageFileOptions(ParallelLoop(threads: threads), alone)
    }

    /// Reads everything and says what is there, with the warnings that training would print.
    /// - Returns: What is wrong, a line each.
    package func verify() throws -> [String] {
        let source = configuration.data
        Console.print("data set \(source.dataset.rawValue)\(source.path.map { " in \($0)" } ?? "")")
        var options = options
        // All that is wrong is to be told, not only what ends the reading.
        options.corrupt = .skip
        var failures: [String] = []
        var hasWarnings = false
        for split in DatasetSplit.allCases {
            do {
                let scan = try scanDataset(source.dataset, path: source.path, split: split, options: options)
                for line in Self.lines(scan, split) { Console.print(line) }
                for warning in scan.warnings { Console.print("warning: \(warning)") }
                hasWarnings = hasWarnings || !scan.warnings.isEmpty
                failures += scan.corrupt.map { "\(split.rawValue): corrupt: \($0)" }
                if !scan.corrupt.isEmpty { failures.append("\(split.rawValue): \(scan.corrupt.count) corrupt images") }
            } catch let error as DatasetError {
                failures.append("\(split.rawValue): \(error)")
            }
        }
        if failures.isEmpty { Console.print("all images can be used\(hasWarnings ? ", but see the warnings" : "")") }
        return failures
    }

    /// Writes the images of both splits, decoded and resized, into one file.
    /// - Parameters:
    ///   - path: The file, which comes to be at the end, whole.
    ///   - force: Replaces a file that is there.
    package func pack(to path: String, force: Bool) throws {
        let source = configuration.data
        let name = source.dataset
        guard name.usualSide != nil else {
            throw RunError.unusable(
                "data.dataset is \(name.rawValue), expected folder or tiny-imagenet: other sets are single files already"
            )
        }
        guard force || !FileSystem.exists(path) else {
            throw RunError.unusable("\(path) is there already; pass --force to replace it")
        }
        if let folder = source.path, FileSystem.exists(folder), !FileSystem.isDirectory(folder) {
            throw RunError.unusable("data.path is \(folder), a file; expected the folder of the images")
        }
        let file = try OutputFile(replacing: path)
        var writer = try PackWriter { try file.write($0.bytes) }
        var last: DatasetScan?
        for split in DatasetSplit.allCases {
            var progress = PackProgress(split: split)
            let scan = try scanDataset(name, path: source.path, split: split, options: options) { images, labels in
                try writer.append(images, labels)
                progress.add(labels.count)
            }
            try writer.endSplit(split, sha256: scan.sha256)
            let leftOut = scan.corrupt.map { "\(split.rawValue): left out: \($0)" }
            for warning in scan.warnings + leftOut { Console.print("warning: \(warning)") }
            for line in Self.lines(scan, split) { Console.print(line) }
            Console.print(progress.line(threads: threads))
            last = scan
        }
        if let last { try writer.finish(name, last) }
        let digest = try file.finish()
        Console.print("wrote \(path): \(digest.bytes >> 20) MiB, SHA-256 \(digest.sha256)")
    }

    /// What a split holds, in lines for a person.
    private static func lines(_ scan: DatasetScan, _ split: DatasetSplit) -> [String] {
        let counts = scan.classCounts
        let names = scan.traits.classNames
        let window = scan.window
        var line =
            "\(split.rawValue): \(scan.count) images of \(window.storedHeight) x \(window.storedWidth) x "
            + "\(scan.traits.channels), \(names.count) class\(names.count == 1 ? "" : "es")"
        if let least = counts.indices.min(by: { counts[$0] < counts[$1] }),
            let most = counts.indices.max(by: { counts[$0] < counts[$1] })
        {
            line +=
                counts[least] == counts[most]
                ? " of \(counts[most]) each"
                : ", \(counts[least]) (\(names[least])) to \(counts[most]) (\(names[most])) a class"
        }
        if let sizes = scan.fileSizes {
            line +=
                sizes.smallest == sizes.largest
                ? ", files of \(sizes.smallest)" : ", files from \(sizes.smallest) to \(sizes.largest)"
        }
        if let mode = scan.resizeMode { line += ", resized by \(mode.rawValue)" }
        return [line, "\(split.rawValue): SHA-256 \(scan.sha256)"]
    }
}

/// How far the packing of a split has come, told every ten seconds.
private struct PackProgress {
    let split: DatasetSplit
    private var count = 0
    private let start = ContinuousClock.now
    private var lastLine = ContinuousClock.now

    init(split: DatasetSplit) { self.split = split }

    mutating func add(_ images: Int) {
        count += images
        guard ContinuousClock.now - lastLine > .seconds(10) else { return }
        lastLine = .now
        Console.print("\(split.rawValue): \(count) images so far, \(rate) images/s")
    }

    func line(threads: Int) -> String {
        "\(split.rawValue): \(rate) images/s decoded, resized and written by \(threads) thread\(threads == 1 ? "" : "s")"
    }

    private var rate: String {
        Console.fixed(Double(count) / max(1e-9, (ContinuousClock.now - start) / .seconds(1)), 1)
    }
}
