import TestSupport
import Testing

@testable import Reports

@Suite("Joined sweeps")
struct SweepTests {
    /// Two runs on axes that need quotes: one evaluated, one that only trained and has no experts.
    private func makeSweep() throws -> ScratchFolder {
        let sweep = try ScratchFolder()
        let head = "schema_version,run_id,"
        let files = [
            "sweep.json": """
            {"columns": ["kind", "samples"], "runs": [
                {"run": "kind=a", "values": ["a,b", "9"], "status": "done"},
                {"run": "kind=none", "values": ["none", "9"], "status": "stopped early"}]}
            """,
            "kind=a/metrics.csv": """
            \(head)epoch,step,split,loss,accuracy,images_per_second
            1,r,1,5,train,2.5,0.25,100
            1,r,2,10,train,1.5,0.5,201
            1,r,2,10,test,9,0.1,

            """,
            "kind=a/evaluation.csv": """
            \(head)checkpoint,split,samples,attack,accuracy,accuracy_low,accuracy_high
            1,r,step-00000010,test,5,none,0.9,0.8,1

            """,
            "kind=a/evaluate/evaluation.csv": """
            \(head)checkpoint,split,samples,attack,accuracy,accuracy_low,accuracy_high
            1,r,step-00000010,test,10,none@average,0.5,0.25,0.75
            1,r,step-00000010,test,10,pgd,0.125,0.1,0.25

            """,
            "kind=a/evaluate/cost.csv": "\(head)counted,multiply_adds\n1,r,path-and-routers,77\n",
            "kind=a/routing.csv": """
            \(head)step,split,inputs,layer,usage_entropy,router_entropy,max_over_mean,flip_rate,alarm
            1,r,5,test,clean,l1,0.75,,1,,collapsed
            1,r,10,train,clean,l1,9,9,9,9,collapsed
            1,r,10,test,clean,l2,0.25,,1,,dead
            1,r,10,test,clean,l1,0.5,,2,,dead

            """,
            "kind=a/experts/fixed_experts.csv": """
            \(head)layer,expert,inputs,correct,accuracy,accuracy_low,accuracy_high,against_gate
            1,r,l1,0,clean,3,0.3,0.2,0.4,worse
            1,r,l1,1,clean,20,0.4,0.3,0.5,better
            1,r,l1,gated,clean,30,0.9,0.8,1,

            """,
            "kind=none/evaluation.csv": """
            \(head)checkpoint,split,samples,attack,accuracy,accuracy_low,accuracy_high
            1,s,step-00000001,test,10,none,0.1,0,0.2
            1,s,step-00000002,test,10,none,0.2,0.1,0.3

            """,
        ]
        for (name, text) in files { try sweep.write(text, to: name) }
        return sweep
    }

    @Test("A sweep's directory stands for those of its runs, any other for itself")
    func directories() throws {
        let sweep = try makeSweep()
        #expect(try Sweep.runs(sweep.path) == [sweep("kind=a"), sweep("kind=none")])
        #expect(try Sweep.runs(sweep("kind=a")) == [sweep("kind=a")])
    }

    @Test("runs.csv has the last figures of each run: evaluated ones where there are any, else the run's own")
    func summary() throws {
        let sweep = try makeSweep()
        _ = try Sweep(path: sweep.path).join()
        let accuracies = ["clean@average", "pgd"].flatMap { name in
            ["", "_low", "_high"].map { "\(name)_accuracy\($0)" }
        }
        let columns =
            ["run", "kind", "samples", "status", "epoch", "step", "train_loss", "train_accuracy", "images_per_second"]
            + ["path_and_routers_multiply_adds"] + accuracies
            + ["usage_entropy", "router_entropy", "max_over_mean", "flip_rate", "alarms"].map { "clean_\($0)" }
            + ["", "_accuracy", "_accuracy_low", "_accuracy_high", "_against_gate"].map { "clean_best_expert\($0)" }
            + ["", "_low", "_high"].map { "clean_accuracy\($0)" }
        let none = String(repeating: ",", count: 22)
        #expect(
            try sweep.text("runs.csv") == """
                \(columns.joined(separator: ","))
                kind=a,"a,b",9,done,2,10,1.5,0.5,150.5,77,0.5,0.25,0.75,0.125,0.1,0.25,0.375,,1.5,,l1:dead;l2:dead,\
                l1:1,0.4,0.3,0.5,better,,,
                kind=none,none,9,stopped early\(none),0.2,0.1,0.3

                """)
    }

    @Test("tables stand below each other under the sweep's columns, and those of no run are not made")
    func joined() throws {
        let sweep = try makeSweep()
        _ = try Sweep(path: sweep.path).join()
        #expect(
            try sweep.text("evaluation.csv") == """
                run,kind,samples,stage,checkpoint,split,attack,accuracy,accuracy_low,accuracy_high
                kind=a,"a,b",9,train,step-00000010,test,none,0.9,0.8,1
                kind=a,"a,b",9,evaluate,step-00000010,test,none@average,0.5,0.25,0.75
                kind=a,"a,b",9,evaluate,step-00000010,test,pgd,0.125,0.1,0.25
                kind=none,none,9,train,step-00000001,test,none,0.1,0,0.2
                kind=none,none,9,train,step-00000002,test,none,0.2,0.1,0.3

                """)
        #expect(
            try sweep.names() == [
                "evaluation.csv", "fixed_experts.csv", "kind=a", "kind=none", "routing.csv", "runs.csv", "sweep.json",
            ])
    }

    @Test("a line a run shows accuracies with intervals, or what became of it")
    func lines() throws {
        let sweep = try makeSweep()
        try sweep.write(
            #"{"columns": [], "runs": [{"run": "kind=a", "values": [], "status": "done"},"#
                + #"{"run": "x", "values": [], "status": "train failed"}]}"#, to: "sweep.json")
        #expect(
            Sweep.lines(try Sweep(path: sweep.path).join()) == [
                "kind=a  clean@average 50.00% [25.00, 75.00]  pgd 12.50% [10.00, 25.00]", "x       train failed",
            ])
    }

    @Test(
        "what is no sweep is refused",
        arguments: [nil, "{", #"{"columns": ["a"], "runs": [{"run": "x", "values": [], "status": "done"}]}"#])
    func refusals(_ text: String?) throws {
        let sweep = try ScratchFolder()
        if let text { try sweep.write(text, to: "sweep.json") }
        #expect { _ = try Sweep(path: sweep.path) } throws: {
            $0 is ReportError && "\($0)".contains("sweep.json")
        }
    }
}
