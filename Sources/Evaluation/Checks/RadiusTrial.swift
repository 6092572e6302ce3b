import NetworkAttacks

/// An attack that is tried, on one chunk, at another radius than its own, for what that tells of the attack.
package struct RadiusTrial: Sendable {
    /// The radius.
    package enum Kind: String, Codable, Sendable, CaseIterable {
        /// No room at all.
        case zero
        /// Several times the attack's own radius.
        case large
        /// Room for every image there is.
        case unconstrained
    }

    /// The name in files of the attack whose radius was changed.
    package let inputs: String
    package let kind: Kind
    /// The attack with the other radius.
    package let attack: NetworkAttack

    /// Makes a trial; see the properties.
    package init(inputs: String, kind: Kind, attack: NetworkAttack) {
        self.inputs = inputs
        self.kind = kind
        self.attack = attack
    }
}
