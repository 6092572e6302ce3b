/// How large a network may be: far beyond what any machine trains, and small enough that no product of sizes leaves `Int`.
///
/// Settings and files come from strangers; a number without a bound would end the program in the middle of a product.
public enum NetworkLimits {
    /// Channels of the first stage, which others are at most 64 times as wide as.
    public static let width = 8192
    /// Experts of a layer.
    public static let experts = 1024
    /// Rows, and columns, of images.
    public static let imageSide = 4096
    /// Channels of images.
    public static let imageChannels = 1024
    /// Classes.
    public static let classes = 1 << 20
    /// Elements of parameters and running statistics together: a tebibyte of them.
    public static let elements = 1 << 38

    /// Checks the sizes that a network is built from.
    /// - Throws: ``NetworkError/invalid(_:)`` that names the first one out of its range.
    static func check(_ settings: NetworkSettings) throws(NetworkError) {
        var sizes = [
            ("model.width", settings.width, width), ("the channels of images", settings.channels, imageChannels),
            ("the classes", settings.classes, classes),
        ]
        if let map = settings.imageSize {
            sizes += [("the rows of images", map.height, imageSide), ("the columns of images", map.width, imageSide)]
        }
        if let router = settings.mixture?.router { sizes.append(("moe.experts", router.experts, experts)) }
        for (name, found, limit) in sizes where !(1...limit).contains(found) {
            throw .invalid("found \(found) for \(name), expected from 1 to \(limit)")
        }
        guard settings.ratio > 0, settings.ratio <= 1 else {
            throw .invalid("found \(settings.ratio) for model.ratio, expected above 0, at most 1")
        }
    }

    /// Checks the size of a network that was laid out without memory.
    /// - Throws: ``NetworkError/invalid(_:)`` with the size, where it is above ``elements``.
    static func check(_ parameters: Parameters) throws(NetworkError) {
        let count = parameters.parameterCount + parameters.statisticCount
        guard count <= elements else {
            throw .invalid("the network would have \(count) parameters, expected at most \(elements)")
        }
    }
}
