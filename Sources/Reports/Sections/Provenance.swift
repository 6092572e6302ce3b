import Files
import Foundation

/// Where a report's figures come from: files, commands, settings, and what ran.
struct Provenance {
    private let run: ReportedRun
    /// The directory that the page lies in, which links start from.
    private let origin: String

    init(_ run: ReportedRun, from origin: String) {
        self.run = run
        self.origin = origin
    }

    /// The section.
    var section: ReportSection? {
        var parts: [ReportSection.Part] = [.table(files)]
        for place in run.places {
            guard let command = place.text("command.txt") else { continue }
            parts.append(.markup(Self.commandTemplate(["path": place.path, "command": command.printable])))
        }
        if !environment.rows.isEmpty { parts.append(.table(environment)) }
        let settings = run.settings
        if !settings.names.isEmpty {
            let table = ReportTable(
                "Settings (config.yaml)", [.init("key"), .init("value")],
                settings.names.map { [.init($0), .init(settings.values[$0] ?? "")] })
            parts.append(.folded(title: "Settings (\(settings.names.count))", isOpen: false, [.table(table)]))
        }
        return ReportSection("provenance", "Provenance", parts)
    }

    private var files: ReportTable {
        var table = ReportTable("Files behind this report", [.init("file"), .number("rows"), .init("directory")])
        for place in run.places {
            for kind in RunTable.allCases where FileSystem.exists(place.file(kind.fileName)) {
                let count = place.rows(kind).count
                table.append([
                    .init(kind.fileName, link: Self.link(from: origin, to: place.file(kind.fileName))),
                    .init(NumberText.count(count), order: Double(count)), .init(place.path),
                ])
            }
            for name in ["config.yaml", "environment.json", "command.txt", "events.log"]
            where FileSystem.exists(place.file(name)) {
                table.append([
                    .init(name, link: Self.link(from: origin, to: place.file(name))), .init("–"), .init(place.path),
                ])
            }
        }
        return table
    }

    private var environment: ReportTable {
        var table = ReportTable("What ran (environment.json)", [.init("fact"), .init("value"), .init("directory")])
        for place in run.places {
            guard let text = place.text("environment.json"),
                let facts = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
            else { continue }
            for (name, value) in facts.sorted(by: { $0.key < $1.key }) {
                table.append([.init(name), .init(Self.words(value)), .init(place.path)])
            }
        }
        return table
    }

    private static func words(_ value: Any) -> String {
        switch value {
        case let list as [Any]: list.map(words).joined(separator: ", ")
        case let map as [String: Any]:
            map.sorted { $0.key < $1.key }.map { "\($0.key): \(words($0.value))" }.joined(separator: ", ")
        case let text as String: text.printable
        default: "\(value)"
        }
    }

    /// The way from a directory to a file, as a relative address.
    static func link(from directory: String, to file: String) -> String {
        func parts(_ path: String) -> [Substring] {
            let whole = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
            return whole.split(separator: "/").reduce(into: []) { parts, name in
                if name == ".." { _ = parts.popLast() } else if name != "." { parts.append(name) }
            }
        }
        let (start, end) = (parts(directory), parts(file))
        let shared = zip(start, end).prefix { $0 == $1 }.count
        let way = Array(repeating: "..", count: start.count - shared) + end[shared...].map(String.init)
        let allowed = CharacterSet.urlPathAllowed.subtracting(CharacterSet(charactersIn: ":"))
        return way.map { $0.addingPercentEncoding(withAllowedCharacters: allowed) ?? $0 }.joined(separator: "/")
    }

    private static let commandTemplate = Template(
        "<p>Command of <code>{{path}}</code></p>\n<pre tabindex=\"0\"><code>{{command}}</code></pre>")
}
