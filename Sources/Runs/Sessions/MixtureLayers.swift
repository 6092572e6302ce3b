import Configuration
import Files
import Networks

extension Network {
    /// The mixture layers that are asked for, all of them if none is named.
    func mixtureLayers(named wanted: [String]) throws -> [String] {
        let known = mixtureLayers
        guard !known.isEmpty else {
            throw RunError.unusable("the checkpoint's network has no mixture layer, so no expert to fix")
        }
        for layer in wanted where !known.contains(layer) {
            let near = Spelling.nearest(to: layer, among: known).map { "; did you mean \($0)?" } ?? ""
            throw RunError.unusable(
                "--layer \(layer) is no mixture layer, expected among \(known.joined(separator: ", "))\(near)")
        }
        return wanted.isEmpty ? known : known.filter(wanted.contains)
    }
}
