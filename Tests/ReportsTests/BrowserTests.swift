import Foundation
import TestSupport
import Testing

@testable import Reports

/// A browser that shows pages without a window.
private struct Browser {
    let path: String

    /// The first one on the search path.
    static let found: Browser? = {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        let paths = folders.flatMap { folder in
            ["chromium", "chromium-browser", "google-chrome", "chrome"].map { "\(folder)/\($0)" }
        }
        return paths.first { FileManager.default.isExecutableFile(atPath: $0) }.map(Browser.init)
    }()

    /// Seconds that it may take.
    private static let patience = 120.0

    /// Runs it and returns what it prints, errors included.
    func run(_ page: String, _ arguments: [String], in scratch: ScratchFolder) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments =
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
                "--disable-dev-shm-usage", "--user-data-dir=\(scratch("profile"))",
            ] + arguments + ["file://\(page)"]
        let file = try scratch.write("", to: "output.txt")
        let output = try #require(FileHandle(forWritingAtPath: file))
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let deadline = Date(timeIntervalSinceNow: Self.patience)
        while process.isRunning, Date() < deadline { usleep(20_000) }
        if process.isRunning {
            kill(process.processIdentifier, SIGKILL)
            Issue.record("the browser did not end within \(Int(Self.patience)) seconds")
        }
        process.waitUntilExit()
        return try scratch.text("output.txt")
    }
}

@Suite(
    "Pages in a browser", .serialized,
    .enabled(if: Browser.found != nil, "no chromium on the search path: pages are not looked at"))
struct BrowserTests {
    /// Presses every head of a table, then writes what sticks out of the page, and how the first table is sorted.
    private static let inspection = """
        <script>
        "use strict";
        for (const fold of document.querySelectorAll("details")) fold.open = true;
        const width = document.documentElement.clientWidth;
        const scrolls = element => {
          const frame = element.closest(".scroll, pre");
          return frame !== null && getComputedStyle(frame).overflowX !== "visible";
        };
        const wide = Array.from(document.querySelectorAll("body *")).filter(element =>
          !scrolls(element) && !element.closest(".skip") && !element.closest("svg *")
          && element.getBoundingClientRect().right > width + 1);
        const table = document.querySelector("table.sortable");
        const head = table.querySelectorAll("thead button")[1];
        head.click();
        const order = row => Number(row.cells[1].dataset.order);
        const rising = Array.from(table.tBodies[0].rows, order);
        head.click();
        const falling = Array.from(table.tBodies[0].rows, order);
        const isSorted = rising.every((value, i) => i === 0 || rising[i - 1] <= value)
          && falling.every((value, i) => i === 0 || falling[i - 1] >= value);
        const report = document.createElement("p");
        report.textContent = `INSPECTED wide=${wide.length} [${wide.slice(0, 3).map(e => e.textContent.slice(0, 40).replaceAll("\\n", " "))}] `
          + `scroll=${document.documentElement.scrollWidth - width} sorted=${isSorted} `
          + `sort=${head.parentElement.getAttribute("aria-sort")} labels=${document.querySelectorAll("svg[role=img] > title").length}`;
        document.body.append(report);
        </script>
        """

    private func inspect(_ html: String, width: Int) throws -> String {
        let browser = try #require(Browser.found)
        let scratch = try ScratchFolder()
        let page = try scratch.write(
            html.replacingOccurrences(of: "</body>", with: Self.inspection + "</body>"), to: "page.html")
        let output = try browser.run(page, ["--window-size=\(width),900", "--dump-dom"], in: scratch)
        let start = try #require(output.range(of: "<p>INSPECTED "), "\(output.suffix(2000))")
        #expect(!output.contains("CONSOLE"), "\(output.split(separator: "\n").filter { $0.contains("CONSOLE") })")
        return String(output[start.upperBound...].prefix { $0 != "\n" })
    }

    private func pages() throws -> [(name: String, html: String)] {
        let folder = try SampleRuns.make()
        let runs = try ReportedRun.read([folder("first"), folder("second")])
        return [
            ("one", ReportPage([runs[0]], in: folder.path).html), ("two", ReportPage(runs, in: folder.path).html),
        ]
    }

    @Test("nothing sticks out, tables sort and the console is silent, on a screen wide and narrow and on paper")
    func screens() throws {
        for (name, html) in try pages() {
            // What is for paper alone, on a screen as wide as A4 within its margins.
            let paper = html.replacingOccurrences(of: "@media print{", with: "@media all{")
            #expect(paper != html)
            for (html, width) in [(html, 1280), (html, 500), (paper, 700)] {
                let found = try inspect(html, width: width)
                #expect(found.contains("wide=0 ") && found.contains("scroll=0 "), "\(name) at \(width): \(found)")
                #expect(found.contains("sorted=true sort=descending"), "\(name) at \(width): \(found)")
            }
        }
    }

    @Test("a page prints")
    func prints() throws {
        let browser = try #require(Browser.found)
        let scratch = try ScratchFolder()
        let page = try scratch.write(pages()[0].html, to: "page.html")
        _ = try browser.run(page, ["--print-to-pdf=\(scratch("page.pdf"))", "--no-pdf-header-footer"], in: scratch)
        let pdf = try Data(contentsOf: URL(fileURLWithPath: scratch("page.pdf")))
        #expect(pdf.starts(with: Array("%PDF".utf8)) && pdf.count > 20_000)
    }
}
