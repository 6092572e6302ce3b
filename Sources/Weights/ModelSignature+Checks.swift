import Files
import Networks

// Names and shapes are a stranger's: what is read off them is bounded before it is reckoned with.
extension ModelSignature {
    /// Stages that networks may have; those with names have four.
    static let mostStages = 16
    /// Mixture layers that a network may have; the deepest one with a name has 104 convolutions.
    private static let mostLayers = 1024
    /// The largest extent of a tensor.
    private static let largestExtent = 1 << 30

    /// Checks that no tensor is empty or longer than any.
    static func checkExtents(_ shapes: [String: [Int]], _ path: String) throws {
        for (name, shape) in shapes where !shape.allSatisfy((1...largestExtent).contains) {
            throw refusal(path, "tensor \(name) has shape \(shape), expected extents from 1 to \(largestExtent)")
        }
    }

    /// Checks an index in a name: where they count from 0, none reaches the number of tensors.
    static func checkIndex(_ index: Int, of name: [String], among names: [[String]], _ path: String) throws {
        guard (0..<names.count).contains(index) else {
            throw refusal(
                path,
                "tensor \(name.joined(separator: ".")) has the index \(index), expected one from 0 to "
                    + "\(names.count - 1) among \(names.count) tensors")
        }
    }

    /// Checks that a network may be of these sizes, and that its layers are called like layers.
    func checkSizes(_ path: String) throws {
        var sizes = [
            ("width", width, NetworkLimits.width), ("image channels", channels, NetworkLimits.imageChannels),
            ("classes", classes, NetworkLimits.classes),
        ]
        if let mixture {
            sizes += [
                ("experts", mixture.experts, NetworkLimits.experts),
                ("mixture layers", mixture.layers.count, Self.mostLayers),
            ]
        }
        for (name, found, limit) in sizes where !(1...limit).contains(found) {
            throw Self.refusal(path, "found \(found) for \(name), expected from 1 to \(limit)")
        }
        for layer in mixture?.layers ?? [] where !Self.isPath(layer) {
            throw Self.refusal(
                path, "found experts in a layer called \(layer), expected a path such as layer4.0.conv1")
        }
    }

    /// An error that quotes names of the file, on one line.
    private static func refusal(_ path: String, _ text: String) -> RunError {
        .checkpoint("\(path): \(text)".printableLine)
    }

    private static func isPath(_ text: String) -> Bool {
        !text.isEmpty
            && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { name in
                !name.isEmpty && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
            }
    }
}
