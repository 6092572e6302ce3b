import TestSupport
import Testing

@testable import Reports

@Suite("Run summaries")
struct RunSummaryTests {
    private func makeRun(_ files: [String: String]) throws -> ScratchFolder {
        let run = try ScratchFolder()
        for (name, text) in files { try run.write(text, to: name) }
        return run
    }

    @Test("shows the last evaluation and the experts of its step")
    func showsLastEvaluation() throws {
        let run = try makeRun([
            "evaluation.csv": """
            schema_version,run_id,checkpoint,dataset,split,samples,attack,accuracy,accuracy_low,accuracy_high
            1,a,step-00000001,cifar10,test,10,none,0.1,0.05,0.2
            1,a,step-00000002,cifar10,test,10,none,0.75,0.7,0.8
            1,a,step-00000002,cifar10,test,10,pgd-20,0.5,0.4,0.6

            """,
            "experts.csv": """
            schema_version,run_id,epoch,step,split,inputs,layer,expert,count,fraction,probability_mass,dead
            1,a,1,1,test,clean,layer4.0.conv1,0,10,1,1,false
            1,a,2,2,test,clean,layer4.0.conv1,0,4,0.4,0.4,false
            1,a,2,2,test,clean,layer4.0.conv1,1,6,0.6,0.6,false

            """,
        ])
        let text = try RunSummary(RunTables(path: run.path)).lines.joined(separator: "\n")
        #expect(text.contains("clean                       75.0%  [ 70.0%,  80.0%]"))
        #expect(text.contains("pgd-20                      50.0%  [ 40.0%,  60.0%]"))
        #expect(!text.contains("10.0%"))
        #expect(text.contains("layer4.0.conv1         clean                 40.0%  60.0%"))
    }

    @Test("a directory without tables is refused by name")
    func refusesOtherDirectories() throws {
        let run = try makeRun(["notes.txt": "hello"])
        #expect(throws: ReportError.self) { _ = try RunTables(path: run.path) }
    }
}
