import Foundation
import PackagePlugin

/// Has `launch/record-build` write down the commit and the compiler, whenever they or a source may have changed.
///
/// It is a command of the build with inputs, not one before it: those run only when the build is planned anew, and would
/// leave the commit of an earlier build in the program.
@main
struct RecordBuild: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
        let root = context.package.directoryURL
        let script = root.appending(path: "launch/record-build")
        let output = context.pluginWorkDirectoryURL.appending(path: "RecordedBuild.swift")
        let sources = context.package.targets.compactMap { ($0 as? SourceModuleTarget)?.sourceFiles.map(\.url) }
        return [
            .buildCommand(
                displayName: "Recording the commit", executable: URL(fileURLWithPath: "/bin/sh"),
                arguments: [script.path, output.path],
                inputFiles: [script, root.appending(path: "Package.swift")] + Self.head(of: root) + sources.joined(),
                outputFiles: [output])
        ]
    }

    /// The files of git that change with every commit and checkout; none outside of a checkout.
    private static func head(of root: URL) -> [URL] {
        var folder = root.appending(path: ".git")
        // In a worktree it is a file that names the folder.
        if let text = try? String(contentsOf: folder, encoding: .utf8), text.hasPrefix("gitdir: ") {
            let path = text.dropFirst("gitdir: ".count).prefix { !$0.isNewline }
            folder = URL(fileURLWithPath: String(path), relativeTo: root)
        }
        return ["HEAD", "logs/HEAD"].map { folder.appending(path: $0) }.filter {
            FileManager.default.fileExists(atPath: $0.path)
        }
    }
}
