import Attacks
import NetworkAttacks

extension NetworkAttack {
    /// Whether it sees another network than the one that is judged, or other routes.
    var meetsAnother: Bool {
        routing != .deterministic || surrogate.fixesRoutes || source != nil || !seesAntiAdversary
            || search.access == .elsewhere
    }

    /// Whether it climbs one objective, step by step, so that its losses should come to a stand.
    var climbs: Bool {
        search is ProjectedGradientDescent || (search as? AutoProjectedGradientDescent)?.goal == .given
    }

    /// What the checks of rows look at.
    /// - Parameters:
    ///   - name: The name in files.
    ///   - isRight: Whether each image is right at the end.
    func record(_ name: String, isRight: [Bool]) -> AttackRecord {
        var rest = description
        (rest.epsilon, rest.stepSize, rest.steps, rest.restarts) = (0, nil, nil, nil)
        // Attacks of one search with the same words otherwise.
        let family =
            "\(type(of: search)) \(rest) \(objective.rawValue) \(beta) \(routing.rawValue) "
            + "\(surrogate) \(expectation) \(source ?? "") \(seesAntiAdversary)"
        // A pass is several steps, and more of them are better on other images than those that are judged.
        let isUniversal = search is UniversalPerturbation
        return AttackRecord(
            name: name, access: meetsAnother ? .elsewhere : search.access, family: isUniversal ? nil : family,
            norm: description.norm, epsilon: description.epsilon,
            stepSize: isUniversal ? nil : description.stepSize, steps: description.steps,
            restarts: description.restarts, isRight: isRight)
    }
}
