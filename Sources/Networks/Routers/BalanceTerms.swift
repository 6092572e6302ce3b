/// What the balancing losses of a pass are differentiated at, router by router: sums over the batch, and what a shard's
/// part is divided by.
///
/// The gradient of such a loss for one image needs the sums over all of them, which no pass knows before it is over.
/// ``PassRecord/settle(extra:_:_:)`` makes terms, and ``PassRecord/localTerms(globalImages:)`` does where each shard goes by
/// its own sums; a backward pass that adds parameter gradients cannot be asked for without them.
public struct BalanceTerms: Sendable {
    /// Where the losses of one shard's images are differentiated.
    struct Point {
        let sums: RouterSums
        let outputs: ExpertOutputs
        /// The shard's weight, images over images of the global batch; 1 over 1 where the sums are global.
        let images: Double
        let divisor: Double
    }
    /// One router's settings, and a point for each shard.
    private struct Layer {
        let settings: RouterSettings
        let points: [Point]
        /// Whether the router saw any image of the global batch.
        let hasImages: Bool
    }
    private let layers: [String: Layer]

    private init(_ layers: [(String, Layer)]) {
        self.layers = Dictionary(uniqueKeysWithValues: layers)
    }

    /// No router's: for a pass whose balancing losses take no part.
    public static let none = BalanceTerms([])

    /// Terms at the sums of the global batch, or at the shards' own.
    init(_ routers: [RouterRecord], _ settled: [SettledRouter]) {
        self.init(
            zip(routers, settled).map { router, settled in
                let points =
                    router.settings.usesGlobalStatistics
                    ? router.perShard.map { _ in
                        Point(sums: settled.global, outputs: settled.outputs, images: 1, divisor: 1)
                    } : Self.ownPoints(router, globalImages: settled.global.images)
                return (
                    router.layer,
                    Layer(settings: router.settings, points: points, hasImages: settled.global.images > 0)
                )
            })
    }

    /// Terms at the shards' own sums.
    /// - Parameter globalImages: The images of the global batch.
    init(local routers: [RouterRecord], globalImages: Int) {
        self.init(
            routers.map { router in
                precondition(
                    !router.settings.usesGlobalStatistics || !router.settings.hasBalanceLoss,
                    "the balancing losses of \(router.layer) need the sums of the global batch")
                let points = Self.ownPoints(router, globalImages: Double(globalImages))
                return (router.layer, Layer(settings: router.settings, points: points, hasImages: globalImages > 0))
            })
    }

    private static func ownPoints(_ router: RouterRecord, globalImages: Double) -> [Point] {
        router.perShard.map {
            Point(sums: $0.sums, outputs: $0.outputs, images: $0.sums.images, divisor: max(1, globalImages))
        }
    }

    /// What a shard's gradient of a router's balancing loss is taken at, and the factor of the loss; nil without one.
    func scores(_ path: String, shard: Int) -> (sums: RouterSums, weight: Double)? {
        guard let layer = layers[path], layer.settings.balance != .none else { return nil }
        let point = layer.points[shard]
        return (point.sums, layer.settings.balanceWeight * point.images / point.divisor)
    }

    /// The gradient of the loss of outputs' variance with respect to each element of an expert's outputs, `[experts]`; nil
    /// without one.
    func outputGradient(_ path: String, shard: Int) -> [Float]? {
        guard let layer = layers[path], layer.settings.varianceWeight != 0, layer.hasImages else { return nil }
        let point = layer.points[shard]
        let weight = layer.settings.varianceWeight * point.images / point.divisor
        return point.outputs.gradient.map { Float(weight * $0) }
    }
}
