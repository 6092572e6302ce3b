import Networks
import Testing

@testable import Configuration
@testable import Datasets
@testable import Files
@testable import Training

@Suite("Numbers of every key")
struct NumericKeyTests {
    /// Settings under which keys mean something that mean nothing beside others.
    private static let bases = [
        [], ["moe.kind=conv", "training.method=free"], ["moe.kind=block", "training.method=trades"],
        ["training.method=mart"], ["training.parameters=scores"], ["preset=advmoe-code"], ["preset=advmoe-paper"],
        ["data.dataset=folder"], ["training.schedule={per: epoch, warmup: product}"],
        ["attack.norm=l2", "evaluation.attacks.0.norm=l2"],
        ["attack.name=apgd-t", "evaluation.attacks=[{name: square}, {name: autoattack}]"],
        ["training.initial_checkpoint=x"],
    ]

    private static let extremes = [
        "2147483648", "2147483647", "9007199254740992", "9223372036854775807", "9223372036854775808",
        "18446744073709551615", "-1", "-9223372036854775808", "0", "1", "1e308", "-1e308", "1e-320", "1/1e-320",
    ]

    /// The keys that take numbers, and those of attacks that are evaluated.
    private static var keys: [ConfigurationHelp] {
        let numeric = RunConfiguration.help.filter { help in
            ["integer", "number", "seconds"].contains(where: help.allowed.contains)
        }
        let attacks = numeric.filter { $0.key.hasPrefix("attack.") }.map { help in
            ConfigurationHelp(
                key: "evaluation.attacks.0.\(help.key.dropFirst(7))", normal: help.normal, allowed: help.allowed,
                summary: help.summary)
        }
        return numeric + attacks
    }

    private func resolve(_ settings: [String]) throws(ConfigurationError) -> RunConfiguration {
        try RunConfiguration.resolve(layers: settings.map { ConfigurationLayer(override: $0) })
    }

    /// Makes what a run makes of its configuration before it allocates anything.
    private func build(_ configuration: RunConfiguration) throws {
        let text = configuration.yaml()
        #expect(try RunConfiguration.resolve(layers: [ConfigurationLayer(yaml: text, origin: "x")]).yaml() == text)
        var settings = configuration.networkSettings(configuration.data.dataset.traits)
        let side = configuration.data.crop ?? configuration.data.resize ?? 32
        settings.imageSize = MapSize(height: side, width: side)
        do {
            let slots = try Network.slots(settings)
            #expect(slots.reduce(0) { $0 + $1.count } <= NetworkLimits.elements)
            let cost = try Network.cost(settings, imageSize: MapSize(height: side, width: side))
            #expect(cost.path >= 0 && cost.allExperts >= cost.shared && cost.routers >= 0)
        } catch let error as NetworkError {
            #expect(!error.description.isEmpty)
        }
        for stepsPerEpoch in [1, ConfigurationLimits.images] {
            let settings = configuration.trainingSettings(stepsPerEpoch: stepsPerEpoch, ranks: 1)
            let last = configuration.training.epochs * stepsPerEpoch
            for step in [0, 1, last / 2, last] {
                for group in settings.groups.values { #expect(!group.schedule.rate(atStep: step).isNaN) }
            }
        }
        #expect(configuration.attack.resolvedId.utf8.count < 256)
        for attack in configuration.resolvedEvaluationAttacks.compactMap(\.evaluatedAttack) {
            #expect(!attack.id.isEmpty && !attack.stages.isEmpty)
        }
    }

    @Test("extreme numbers are taken, and then a run can be laid out, or refused with the key and what is allowed")
    func extremes() throws {
        #expect(Self.keys.count > 70)
        for base in Self.bases {
            for help in Self.keys {
                for number in Self.extremes {
                    let isList = help.allowed.hasPrefix("a list")
                    let setting = "\(help.key)=\(isList ? "[\(number)]" : number)"
                    let resolved = Result { () throws(ConfigurationError) in try resolve(base + [setting]) }
                    switch resolved {
                    case .success(let configuration): try build(configuration)
                    case .failure(let error):
                        #expect(error.issues.allSatisfy { !$0.allowed.isEmpty }, "\(setting)")
                        #expect(error.description.utf8.count < 10_000)
                    }
                }
            }
        }
    }

    @Test("the largest number of every key lays out a run, alone and with all others")
    func largest() throws {
        var all: [String] = []
        for help in Self.keys {
            let words = help.allowed.split(separator: " ").map { $0.trimmingCharacters(in: [",", ";"]) }
            guard let mark = words.firstIndex(where: { $0 == "to" || $0 == "most" }), words.indices.contains(mark + 1),
                Double(words[mark + 1]) != nil, !help.allowed.hasPrefix("a list")
            else { continue }
            let setting = "\(help.key)=\(words[mark + 1])"
            for base in Self.bases {
                guard let configuration = try? resolve(base + [setting]) else { continue }
                try build(configuration)
            }
            all.append(setting)
        }
        #expect(all.count > 25)
        for base in [
            ["moe.kind=conv", "attack.norm=l2"], ["moe.kind=channel", "attack.norm=l2", "data.dataset=folder"],
        ] {
            for architecture in ArchitectureName.allCases {
                let settings = all.filter { !$0.hasPrefix("training.micro_batch") && !$0.hasPrefix("moe.capacity") }
                let fitting = settings.filter { base.contains("data.dataset=folder") || !$0.hasPrefix("data.") }
                    .filter { !base.contains("moe.kind=channel") || !$0.hasPrefix("moe.top_k") }
                    .filter { !$0.hasPrefix("evaluation.attacks") }
                let others = ["model.architecture=\(architecture.rawValue)", "moe.balance.loss=none"]
                try build(try resolve(base + fitting + others))
            }
        }
    }

    @Test("every whole number has an upper bound, the seed aside")
    func bounds() {
        for help in Self.keys where help.allowed.contains("an integer") && !help.key.hasSuffix("seed") {
            let isBounded = [" to ", "at most", " or 3"].contains(where: help.allowed.contains)
            #expect(isBounded || help.key == "moe.routes", "\(help.key): \(help.allowed)")
        }
    }
}

extension String {
    fileprivate func trimmingCharacters(in set: Set<Character>) -> String {
        var text = Substring(self)
        while let last = text.last, set.contains(last) { text.removeLast() }
        return String(text)
    }
}

extension Substring {
    fileprivate func trimmingCharacters(in set: Set<Character>) -> String { String(self).trimmingCharacters(in: set) }
}
