/// What an evaluation judges a network by: one attack on all images, or a ladder of attacks.
///
/// The stages of a ladder run in their order, each on the images that the network still gets right when clean and after
/// all stages before, as the standard version of AutoAttack does (Croce and Hein, arXiv:2003.01690). An image counts as
/// robust if no stage fooled the network on it.
public struct EvaluatedAttack: Sendable {
    /// The name in files; a stage of a ladder is called `<id>/<id of the stage>` there.
    public var id: String
    /// The attacks, at least one.
    public var stages: [NetworkAttack]
    /// Whether stages leave out images that are wrong already; else there is one stage, on all images.
    public var isLadder: Bool

    /// One attack, which is made on every image, also on those that are wrong when clean.
    public init(_ attack: NetworkAttack) {
        id = attack.id
        stages = [attack]
        isLadder = false
    }

    /// A ladder.
    /// - Parameters:
    ///   - id: The name in files.
    ///   - stages: At least one, with names of their own.
    public init(id: String, ladder stages: [NetworkAttack]) {
        precondition(!stages.isEmpty, "expected at least one stage of \(id), found none")
        self.id = id
        self.stages = stages
        isLadder = true
    }

    /// The name in files of a stage.
    public func name(ofStage stage: Int) -> String { isLadder ? "\(id)/\(stages[stage].id)" : id }

    /// Whether the verdict is on the network as it is used, so that it counts among others.
    public var judgesNetwork: Bool { isLadder || stages.allSatisfy { $0.routing != .held } }

    /// What tables say of all stages together: what they have in common.
    public var description: NetworkAttack.Description {
        let all = stages.map(\.description)
        func common<Value: Equatable>(_ value: (NetworkAttack.Description) -> Value?) -> Value? {
            let first = value(all[0])
            return all.allSatisfy { value($0) == first } ? first : nil
        }
        return NetworkAttack.Description(
            norm: common(\.norm), epsilon: all.map(\.epsilon).max() ?? 0, stepSize: common(\.stepSize),
            steps: common(\.steps), restarts: common(\.restarts), isRandom: all.contains(where: \.isRandom))
    }
}
