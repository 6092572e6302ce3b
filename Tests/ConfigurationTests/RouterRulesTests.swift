import Testing

@testable import Configuration

/// The lines of what is wrong with overrides for a use, and what is warned of.
private func outcome(
    _ use: RunConfiguration.Use, _ overrides: [String]
) -> (problems: [String], warnings: [String]) {
    do {
        let resolved = try RunConfiguration.resolveWithWarnings(
            layers: overrides.map { ConfigurationLayer(override: $0) }, for: use)
        return ([], resolved.configuration.trainingWarnings)
    } catch {
        return (error.description.split(separator: "\n").map(String.init), [])
    }
}

@Suite("Rules on routers")
struct RouterRulesTests {
    @Test(
        "Routers that are to learn, and have no slope, are refused, naming the setting that takes it away",
        arguments: [
            ["training.parameters=router", "moe.kind=conv"], ["training.method=advmoe", "moe.kind=conv"],
        ])
    func training(_ settings: [String]) throws {
        #expect(outcome(.training, settings).problems == [])
        let cause = "where \(settings[0].replacing("=", with: " is "))"
        for (settingsOfRouters, setting, allowed) in [
            (["moe.routes=uniform"], "moe.routes: found uniform", "learned \(cause)"),
            (["moe.routes=1"], "moe.routes: found 1", "learned \(cause)"),
            (["moe.experts=1"], "moe.experts: found 1", "at least 2 \(cause)"),
            (["moe.router=random"], "moe.router: found random", "one with parameters \(cause)"),
            (["moe.router=first-channels"], "moe.router: found first-channels", "one with parameters \(cause)"),
            (["moe.router=fixed-projection"], "moe.router: found fixed-projection", "one with parameters \(cause)"),
            (["moe.straight_through=false"], "moe.straight_through: found false", "auto or true \(cause)"),
        ] {
            let problems = outcome(.training, settings + settingsOfRouters).problems
            #expect(problems.count == 1 && problems[0].contains(setting), "\(problems)")
            #expect(problems.first?.contains("allowed: \(allowed)") == true, "\(problems)")
            // A network that is evaluated need not learn.
            #expect(outcome(.evaluation, settings + settingsOfRouters).problems == [])
        }
        for harmless in [["moe.weights=plain"], ["moe.top_k=2"]] {
            #expect(outcome(.training, settings + ["moe.straight_through=false"] + harmless).problems == [])
        }
    }

    @Test(
        "An objective of routers is refused where none depends on the image, in training and in evaluations",
        arguments: [
            "router-divergence", "model-and-router-divergence", "router-labels", "model-and-router-labels",
            "router-choice", "model-and-router-choice",
        ])
    func objectives(_ objective: String) throws {
        let trained = ["training.method=trades", "attack.objective=\(objective)"]
        let evaluated = ["evaluation.attacks=[{objective: \(objective)}]"]
        for (network, setting) in [
            (["moe.kind=none"], "moe.kind is none"),
            (["moe.kind=conv", "moe.routes=uniform"], "moe.routes is uniform"),
            (["moe.kind=conv", "moe.routes=2"], "moe.routes is 2"),
            (["moe.kind=conv", "moe.experts=1"], "moe.experts is 1"),
            (["moe.kind=block", "moe.router=random"], "moe.router is random"),
        ] {
            let problems = outcome(.training, network + trained).problems
            #expect(problems.contains { $0.contains("attack.objective: found \(objective)") && $0.contains(setting) })
            for use in [RunConfiguration.Use.training, .evaluation] {
                let problems = outcome(use, network + evaluated).problems
                #expect(problems.count == 1, "\(problems)")
                #expect(problems[0].contains("evaluation.attacks.0.objective: found \(objective)"))
                #expect(problems[0].contains(setting))
            }
        }
        let routers = ["moe.kind=conv", "moe.router=first-channels"]
        #expect(outcome(.training, routers + trained).problems == [])
        #expect(outcome(.evaluation, routers + evaluated).problems == [])
        // Routes that are given to the attack's passes bypass routers too.
        #expect(
            outcome(.training, routers + trained + ["attack.routing=clean"]).problems.contains {
                $0.contains("attack.routing is clean")
            })
        #expect(
            outcome(.evaluation, routers + ["evaluation.attacks=[{objective: \(objective), routing: clean}]"]).problems
                .contains {
                    $0.contains("evaluation.attacks.0.routing is clean")
                })
    }

    @Test("Weights without a slope beside other parameters that learn are a warning")
    func warnings() {
        let flat = ["moe.kind=conv", "moe.straight_through=false"]
        #expect(outcome(.training, flat).warnings.first?.contains("moe.straight_through is false") == true)
        for others in [["moe.weights=plain"], ["moe.top_k=2"], ["moe.straight_through=auto"], ["moe.kind=none"]] {
            #expect(outcome(.training, flat + others).warnings == [])
        }
    }
}
