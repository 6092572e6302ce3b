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

    /// Brings the data set to `data.path`, where it is not there already, and reads it as ``verify(sheet:force:)`` does.
    /// - Parameter mirror: The address of a folder with the published files, instead of the official ones.
    /// - Returns: What is wrong, a line each.
    package func fetch(mirror: String?) throws -> [String] {
        let source = configuration.data
        guard let path = source.path else {
            throw RunError.unusable("data.path is needed, the folder that the files come to: --path FOLDER")
        }
        let fetch = try DatasetFetch(source.dataset, into: path, mirror: mirror)
        var report = FetchProgress()
        let isNew = try fetch.run { report.see($0) }
        Console.print(
            isNew
                ? "\(source.dataset.rawValue) is fetched, its SHA-256 as published, and lies in \(fetch.folder)"
                : "\(fetch.folder) is there already: nothing was fetched")
        let failures = try verify()
        if failures.isEmpty { Console.print("settings: data.dataset=\(source.dataset.rawValue) data.path=\(path)") }
        return failures
    }

    /// Reads everything and says what is there, with the warnings that training would print.
    /// - Parameters:
    ///   - sheet: The PNG file for a contact sheet of both splits; nil for none.
    ///   - force: Replaces a sheet that is there.
    /// - Returns: What is wrong, a line each.
    package func verify(sheet: String? = nil, force: Bool = false) throws -> [String] {
        if let sheet, !force, FileSystem.exists(sheet) {
            throw RunError.unusable("\(sheet) is there already; pass --force to replace it")
        }
        var pictures = ContactSheet()
        let source = configuration.data
        Console.print("data set \(source.dataset.rawValue)\(source.path.map { " in \($0)" } ?? "")")
        var options = options
        // All that is wrong is to be told, not only what ends the reading.
        options.corrupt = .skip
        var failures: [String] = []
        var hasWarnings = false
        for split in DatasetSplit.allCases {
            do {
                let scan = try scanDataset(source.dataset, path: source.path, split: split, options: options) {
                    if sheet != nil { pictures.add($0, split) }
                }
                for line in Self.lines(scan, split) { Console.print(line) }
                for warning in scan.warnings { Console.say(warning, .warning) }
                hasWarnings = hasWarnings || !scan.warnings.isEmpty
                failures += scan.corrupt.map { "\(split.rawValue): corrupt: \($0)" }
                if !scan.corrupt.isEmpty { failures.append("\(split.rawValue): \(scan.corrupt.count) corrupt images") }
            } catch let error as DatasetError {
                failures.append("\(split.rawValue): \(error)")
            }
        }
        if let sheet, let png = try pictures.png() {
            let file = try OutputFile(replacing: sheet)
            try file.write(png.span.bytes)
            try file.finish()
            let places = pictures.imagesOfClass
            Console.print(
                "wrote \(sheet): the first \(places == 1 ? "image" : "\(places) images") of each class in label order, "
                    + "training above test")
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
            let scan = try scanDataset(name, path: source.path, split: split, options: options) { block in
                try writer.append(block.images, block.labels)
                progress.add(block.labels.count)
            }
            try writer.endSplit(split, sha256: scan.sha256)
            let leftOut = scan.corrupt.map { "\(split.rawValue): left out: \($0)" }
            for warning in scan.warnings + leftOut { Console.say(warning, .warning) }
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
        // Where all are alike, the line above says it.
        let classes = Set(counts).count > 1 ? zip(counts, names).map { "\($0) \($1)" } : []
        return [line] + Self.wrapped(classes).map { "\(split.rawValue): \($0)" }
            + ["\(split.rawValue): SHA-256 \(scan.sha256)"]
    }

    /// Joins words by commas, in lines of a hundred characters where words are not longer.
    private static func wrapped(_ words: [String]) -> [String] {
        var lines: [String] = []
        for word in words {
            if let last = lines.last, last.count + word.count < 98 {
                lines[lines.count - 1] = last + ", " + word
            } else {
                if !lines.isEmpty { lines[lines.count - 1] += "," }
                lines.append(word)
            }
        }
        return lines
    }
}

/// How far a transfer has come, told every ten seconds.
private struct FetchProgress {
    private var name = ""
    private var begun = (bytes: 0, at: ContinuousClock.now)
    private var lastLine = ContinuousClock.now

    mutating func see(_ progress: DatasetFetch.Progress) {
        if progress.name != name {
            name = progress.name
            begun = (progress.bytes, .now)
            lastLine = .now
            let rest = progress.bytes == 0 ? "" : ", the first \(progress.bytes >> 20) MiB are here"
            Console.print("fetching \(name), \(max(1, progress.total >> 20)) MiB\(rest)")
        }
        guard ContinuousClock.now - lastLine > .seconds(10) else { return }
        lastLine = .now
        let rate = Double(progress.bytes - begun.bytes) / ((ContinuousClock.now - begun.at) / .seconds(1))
        let left = rate > 0 ? ", \(Console.fixed(Double(progress.total - progress.bytes) / rate, 0)) s left" : ""
        Console.print(
            "\(name): \(progress.bytes >> 20) of \(progress.total >> 20) MiB, "
                + "\(Console.fixed(rate / Double(1 << 20), 1)) MiB/s\(left)")
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
