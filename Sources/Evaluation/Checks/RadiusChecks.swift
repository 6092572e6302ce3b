import Foundation

/// What an attack tells at radii other than its own.
package enum RadiusChecks {
    /// The share of images that may stay right at a large radius.
    static let largeShare = 0.05

    /// The flags of one trial.
    /// - Parameters:
    ///   - inputs: The attack whose radius was changed.
    ///   - clean: Whether each image is right when clean.
    ///   - attacked: Whether each image is right at the end.
    ///   - wasFooled: Whether the network was wrong at any point of the way.
    package static func flags(
        _ trial: RadiusTrial.Kind, inputs: String, clean: [Bool], attacked: [Bool], wasFooled: [Bool]
    ) -> [RedFlag] {
        let images = clean.count
        switch trial {
        case .zero:
            let differ = zip(clean, attacked).count { $0 != $1 }
            return differ == 0
                ? []
                : [
                    RedFlag(
                        .zeroRadiusDiffers, inputs, count: differ,
                        "\(differ) of \(images) verdicts change at a radius of 0")
                ]
        case .large:
            let right = zip(clean, attacked).count { $0 && $1 }
            return Double(right) <= largeShare * Double(images)
                ? []
                : [
                    RedFlag(
                        .largeRadiusSurvived, inputs, count: right,
                        "\(right) of \(images) images stay right at a large radius")
                ]
        case .unconstrained:
            let right = clean.indices.count { clean[$0] && attacked[$0] && !wasFooled[$0] }
            return right == 0
                ? []
                : [
                    RedFlag(
                        .unconstrainedFailure, inputs, count: right,
                        "\(right) of \(images) images stay right without a radius")
                ]
        }
    }
}
