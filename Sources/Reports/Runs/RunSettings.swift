import Files
import Yams

/// The settings of a run, each under its dotted name, as its `config.yaml` writes them.
struct RunSettings: Sendable {
    /// The values as text; what is not set is `null`.
    private(set) var values: [String: String] = [:]
    /// The names in the order of the file.
    private(set) var names: [String] = []

    /// Settings of a run that left none.
    init() {}

    /// Reads a file; one that is missing holds none.
    ///
    /// The ratio of a pruned network is the share of filters that it kept, as AdvMoE counts it, where the run that chose them is
    /// still there.
    /// - Throws: ``ReportError`` if it is no YAML.
    init(path: String) throws {
        guard FileSystem.exists(path) else { return }
        do {
            if let node = try compose(yaml: FileSystem.text(of: path)) { add(node, "") }
        } catch let error as FileSystemError {
            throw ReportError(description: error.description)
        } catch {
            throw ReportError(description: "\(path): expected a configuration in YAML, found \(error)".printableLine)
        }
        if let masks = self["model.masks"], let chosen = try? RunSettings(path: FileSystem.join(masks, "config.yaml")),
            let share = chosen["training.scores.filter_share"]
        {
            set("model.ratio", share)
        }
    }

    private mutating func add(_ node: Node, _ name: String) {
        switch node {
        case .mapping(let mapping):
            for (key, value) in mapping {
                add(value, name.isEmpty ? key.string ?? "" : "\(name).\(key.string ?? "")")
            }
        case .sequence(let sequence) where !sequence.contains { $0.mapping != nil }:
            set(name, "[\(sequence.map { $0.scalar?.string ?? "…" }.joined(separator: ", "))]")
        case .sequence(let sequence):
            for (index, value) in sequence.enumerated() { add(value, "\(name).\(index)") }
        case .scalar(let scalar): set(name, scalar.string)
        case .alias: set(name, "…")
        }
    }

    private mutating func set(_ name: String, _ value: String) {
        if values.updateValue(value, forKey: name) == nil { names.append(name) }
    }

    /// A setting; nil where there is none, or it is `null`.
    subscript(name: String) -> String? { values[name].flatMap { ["null", "~", ""].contains($0) ? nil : $0 } }

    /// Settings that tell where and how a run was made, or which of several like it it is, but not what it is.
    private static let circumstances = [
        "training.seed", "evaluation.", "output.", "distributed.threads", "distributed.bucket_megabytes",
        "distributed.timeout_seconds", "distributed.deterministic_shards", "kernels.", "data.path",
        "training.stop_after_steps", "training.time_limit", "training.keep", "training.checkpoint_every", "model.masks",
        "training.initial_checkpoint",
    ]

    /// The names of what a run is, in the order of the file: runs that agree in these differ in their seeds alone.
    var identifyingNames: [String] {
        names.filter { name in
            !Self.circumstances.contains { $0.hasSuffix(".") ? name.hasPrefix($0) : name == $0 }
        }
    }

    /// The names of settings that differ between runs, in the order of the files.
    /// - Parameter all: Whether those count too that do not tell what a run is.
    static func differing(_ runs: [RunSettings], all: Bool = false) -> [String] {
        var seen: Set<String> = []
        let names = runs.flatMap { all ? $0.names : $0.identifyingNames }.filter { seen.insert($0).inserted }
        return names.filter { name in Set(runs.map { $0.values[name] ?? "null" }).count > 1 }
    }
}
