import Networks

/// The attacks that are made for mixtures of experts, as the stages of one ladder.
///
/// A mixture that resists an attack on the network as it is used may owe that to its routers, whose choices have no slope. The
/// stages take that hiding place away one after the other, from the attack that sees least of the routing to those that
/// drive it. All follow one search, and the network as it is used judges all images but those of the last stage.
public struct MixtureLadder: Sendable {
    /// The search that every stage repeats, on the network as it is used; its objective asks nothing of routers.
    public var base: NetworkAttack
    /// Passes with noise of their own of which every gradient of the stage with noise is the mean, at least 1.
    public var expectation: Int

    /// Makes a ladder; see the properties.
    public init(base: NetworkAttack, expectation: Int) {
        self.base = base
        self.expectation = expectation
    }

    /// Returns the stages for a network that is a mixture of at least two experts.
    ///
    /// - `no-gate-gradient`: input gradients do not pass the gates;
    /// - `gate`: they do as the gates' settings say, where these are not straight-through;
    /// - `straight-through`: they do as if weights were straight-through;
    /// - `clean-routes`: routes are held at those of the clean images meanwhile;
    /// - `routers`: the routers alone are attacked, while the label holds (RA-R);
    /// - `model-and-routers`: the sum of both;
    /// - `weakest-expert`: see ``Surrogate/weakestPathway``;
    /// - `noise`: on the network with the routers' noise of training, where it has any;
    /// - `pathway-…`: every pathway of ``Surrogate/pathways(layers:experts:)`` fixed in turn, named by its experts;
    /// - `held-routes`: routes are held at those of the clean images in the verdict too (RA-E).
    ///
    /// - Parameters:
    ///   - network: The network.
    ///   - noise: The deviation of the routers' noise in training.
    public func stages(for network: Network, noise: Float) -> [NetworkAttack] {
        let settings = network.settings.mixture?.router
        let hasOwnGradient = settings?.gate.isStraightThrough == false
        let hasSlope = settings.map { $0.kind != .random } ?? false
        var stages = [stage("no-gate-gradient", on: .gateGradient(.none))]
        if hasOwnGradient { stages.append(stage("gate", on: .none)) }
        if hasSlope { stages.append(stage("straight-through", on: .gateGradient(.straightThrough))) }
        stages.append(stage("clean-routes", routing: .clean))
        if hasSlope {
            stages.append(stage("routers", objective: .routerChoice))
            stages.append(stage("model-and-routers", objective: .modelAndRouterChoice))
            stages.append(stage("weakest-expert", on: .weakestPathway))
        }
        if noise > 0 {
            var noisy = stage("noise", routing: .noisy)
            noisy.expectation = expectation
            stages.append(noisy)
        }
        let layers = network.mixtureLayers.count
        let pathways = Surrogate.pathways(layers: layers, experts: settings?.experts ?? 1)
        let isWhole = pathways.count > (settings?.experts ?? 1)
        for pathway in pathways {
            let name = isWhole ? pathway.map(String.init).joined(separator: "-") : "\(pathway.first ?? 0)"
            stages.append(stage("pathway-\(name)", on: .pathway(pathway)))
        }
        stages.append(stage("held-routes", routing: .held))
        return stages
    }

    private func stage(
        _ id: String, on surrogate: Surrogate = .none, objective: ObjectiveName? = nil,
        routing: NetworkAttack.Routing = .deterministic
    ) -> NetworkAttack {
        var attack = base
        attack.id = id
        attack.surrogate = surrogate
        attack.routing = routing
        if let objective {
            attack.objective = objective
            attack.beta = objective.usualBeta
        }
        return attack
    }
}
