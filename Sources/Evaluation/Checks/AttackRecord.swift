import Attacks

/// What one attack was asked to do and came to, as far as the checks of rows look at it.
package struct AttackRecord {
    /// The inputs' name.
    package var name: String
    /// What it goes by.
    package var access: AttackAccess
    /// What the attack has in common with others that differ from it in steps, restarts and radius alone; nil where it is
    /// compared with none.
    package var family: String?
    /// How the size of a change is measured; nil where there is no ball.
    package var norm: PerturbationBall.Norm?
    /// The radius, for images in [0, 1].
    package var epsilon: Double
    /// The length of a step, where it is given.
    package var stepSize: Double?
    /// Steps of each restart.
    package var steps: Int?
    /// Searches.
    package var restarts: Int?
    /// Whether each image is right at the end, after the stages before where there are any.
    package var isRight: [Bool]

    /// Makes a record; see the properties.
    package init(
        name: String, access: AttackAccess, family: String? = nil, norm: PerturbationBall.Norm?, epsilon: Double,
        stepSize: Double? = nil, steps: Int? = nil, restarts: Int? = nil, isRight: [Bool]
    ) {
        self.name = name
        self.access = access
        self.family = family
        self.norm = norm
        self.epsilon = epsilon
        self.stepSize = stepSize
        self.steps = steps
        self.restarts = restarts
        self.isRight = isRight
    }

    /// Images that are right.
    package var right: Int { isRight.count { $0 } }
}
