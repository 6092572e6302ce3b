import TestSupport
import Testing

@testable import Files

@Suite("the tables of a run")
struct TableColumnsTests {
    let position = RowPosition(epoch: 1, step: 20, split: "train", inputs: "pgd")

    /// Writes a row through a file and pairs what comes back with the columns of the contract.
    private func record<Row: CSVRow>(_ row: Row) throws -> (header: String, fields: [String]) {
        let scratch = try ScratchFolder()
        try CSVWriter(path: scratch("t.csv"), rows: Row.self, runID: "id").append(row)
        let records = try Table.records(scratch("t.csv"))
        return (records[0].joined(separator: ","), records[1])
    }

    @Test("metrics.csv has the contract's columns, each with its own value")
    func metrics() throws {
        let row = MetricsRow(
            position: position, loss: 1, taskLoss: 2, balanceLoss: 3, accuracy: 0.5, samples: 5, learningRate: 6,
            wallSeconds: 7, imagesPerSecond: 8, attackSeconds: 9, allreduceSeconds: 10, communicationSeconds: 11,
            gradientNorm: 12, probeAccuracy: 0.75, backwardSeconds: 13, checkpointSeconds: 14, workSeconds: 15...16,
            wireBytes: 17,
            quantizationError: 0.125)
        let (header, fields) = try record(row)
        #expect(
            header
                == "schema_version,run_id,epoch,step,split,inputs,loss,task_loss,balance_loss,accuracy,samples,"
                + "learning_rate,wall_seconds,images_per_second,attack_seconds,allreduce_seconds,"
                + "communication_seconds,gradient_norm,probe_accuracy,robust_gap,backward_seconds,checkpoint_seconds,"
                + "least_work_seconds,most_work_seconds,wire_bytes,quantization_error")
        #expect(
            fields == [
                "3", "id", "1", "20", "train", "pgd", "1", "2", "3", "0.5", "5", "6", "7", "8", "9", "10", "11", "12",
                "0.75", "0.25", "13", "14", "15", "16", "17", "0.125",
            ])
        let sparse = try record(MetricsRow(position: position, samples: 0)).fields
        let none = [String](repeating: "", count: 15)
        #expect(sparse == ["3", "id", "1", "20", "train", "pgd", "", "", "", "", "0"] + none)
    }

    @Test("experts.csv and routing.csv have the contract's columns, each with its own value")
    func routing() throws {
        let expert = try record(
            ExpertRow(
                position: position, layer: "layer4.0.conv1", expert: 2, count: 3, fraction: 0.25,
                probabilityMass: 0.125, dead: false))
        #expect(
            expert.header
                == "schema_version,run_id,epoch,step,split,inputs,layer,expert,count,fraction,probability_mass,dead")
        #expect(expert.fields.dropFirst(6) == ["layer4.0.conv1", "2", "3", "0.25", "0.125", "false"])
        let routing = try record(
            RoutingRow(
                position: position, layer: "router", samples: 9, usageEntropy: 1, routerEntropy: 2, maxOverMean: 3,
                flipRate: 4, alarm: "collapsed"))
        #expect(
            routing.header
                == "schema_version,run_id,epoch,step,split,inputs,layer,samples,usage_entropy,router_entropy,"
                + "max_over_mean,flip_rate,alarm")
        #expect(routing.fields.dropFirst(6) == ["router", "9", "1", "2", "3", "4", "collapsed"])
    }

    @Test("evaluation.csv has the contract's columns, each with its own value, and Wilson bounds")
    func evaluation() throws {
        let (header, fields) = try record(
            EvaluationRow(
                checkpoint: "step-00000020", checkpointSHA256: "ab", dataset: "mnist", split: "test", samples: 10,
                attack: "pgd", norm: "linf", epsilon: 0.25, stepSize: 0.5, steps: 20, restarts: 3, objective: "dlr",
                randomStart: true, batchNorm: "frozen", routing: "clean", seed: 4, correct: 5, seconds: 6,
                flags: "a;b", normalization: "cifar10"))
        #expect(
            header
                == "schema_version,run_id,checkpoint,checkpoint_sha256,dataset,split,samples,attack,norm,epsilon,"
                + "step_size,steps,restarts,objective,random_start,batch_norm,routing,seed,correct,accuracy,"
                + "accuracy_low,accuracy_high,seconds,flags,normalization")
        #expect(
            fields.dropFirst(2) == [
                "step-00000020", "ab", "mnist", "test", "10", "pgd", "linf", "0.25", "0.5", "20", "3", "dlr", "true",
                "frozen", "clean", "4", "5", "0.5", "0.236593091", "0.763406909", "6", "a;b", "cifar10",
            ])
    }

    @Test("per_sample.csv has four columns an attack")
    func perSample() throws {
        let scratch = try ScratchFolder()
        let table = try PerSampleTable(path: scratch("p.csv"), attacks: ["fgsm", "pgd-20"], runID: "id")
        let held = PerSampleRow.Outcome(prediction: 3, loss: 0.5, distance: 0.25)
        let fooled = PerSampleRow.Outcome(prediction: 1, loss: 2, distance: 0.125, flags: ["a", "b"])
        try table.append(.init(index: 0, label: 3, cleanPrediction: 3, cleanLoss: 0.1, outcomes: [held, fooled]))
        try table.append(.init(index: 1, label: 3, cleanPrediction: 3, cleanLoss: 0.1, outcomes: [held, held]))
        try table.append(.init(index: 2, label: 3, cleanPrediction: 0, cleanLoss: 9, outcomes: [held, held]))
        #expect(
            try scratch.text("p.csv")
                == "schema_version,run_id,index,label,clean_prediction,clean_loss,fgsm_prediction,fgsm_loss,"
                + "fgsm_distance,fgsm_flags,pgd-20_prediction,pgd-20_loss,pgd-20_distance,pgd-20_flags,robust\n"
                + "1,id,0,3,3,0.1,3,0.5,0.25,,1,2,0.125,a;b,false\n"
                + "1,id,1,3,3,0.1,3,0.5,0.25,,3,0.5,0.25,,true\n"
                + "1,id,2,3,0,9,3,0.5,0.25,,3,0.5,0.25,,false\n")
    }

    @Test("per_sample_long.csv has the same, a row an image and attack")
    func perSampleLong() throws {
        let scratch = try ScratchFolder()
        let writer = try CSVWriter(path: scratch("p.csv"), rows: PerSampleLongRow.self, runID: "id")
        let held = PerSampleRow.Outcome(prediction: 3, loss: 0.5, distance: 0.25, isOfNetwork: false)
        let fooled = PerSampleRow.Outcome(prediction: 1, loss: 2, distance: 0.125, flags: ["a", "b"])
        let row = PerSampleRow(index: 7, label: 3, cleanPrediction: 3, cleanLoss: 0.1, outcomes: [held, fooled])
        for long in PerSampleLongRow.rows(row, attacks: ["held-routes", "pgd-20"]) { try writer.append(long) }
        #expect(
            try scratch.text("p.csv")
                == "schema_version,run_id,index,label,attack,prediction,loss,distance,correct,in_worst_case,flags\n"
                + "1,id,7,3,none,3,0.1,0,true,true,\n1,id,7,3,held-routes,3,0.5,0.25,true,false,\n"
                + "1,id,7,3,pgd-20,1,2,0.125,false,true,a;b\n")
    }

    // Expected: the roots p of (share - p)² n = z² p (1 - p), found by bisection; 81 of 263 is the example of
    // R. G. Newcombe, Statistics in Medicine 17 (1998), table I: 0.2553 to 0.3662.
    @Test("Wilson bounds solve their equation and stay within [0, 1]")
    func wilson() {
        #expect(WilsonInterval.bounds(correct: 0, samples: 0) == (0, 1))
        let expected: [(correct: Int, samples: Int, low: Double, high: Double)] = [
            (0, 10, 0, 0.2775327998628892), (10, 10, 0.7224672001371107, 1),
            (5, 10, 0.2365930905125640, 0.7634069094874360), (81, 263, 0.2552885198782742, 0.3662095769828000),
        ]
        for value in expected {
            let bounds = WilsonInterval.bounds(correct: value.correct, samples: value.samples)
            #expect(abs(bounds.low - value.low) < 1e-9 && abs(bounds.high - value.high) < 1e-9, "\(value) \(bounds)")
        }
        #expect(WilsonInterval.bounds(correct: 0, samples: 7).low == 0)
        #expect(WilsonInterval.bounds(correct: 7, samples: 7).high == 1)
    }

    @Test("run identifiers are twelve hexadecimal digits and differ")
    func identifiers() {
        let identifiers = Set((0..<100).map { _ in RunIdentifier.random() })
        #expect(identifiers.count == 100)
        for identifier in identifiers {
            #expect(identifier.count == 12 && identifier.allSatisfy { "0123456789abcdef".contains($0) })
        }
        // No digit is fixed: with a constant in it, a place would show one digit in all of them.
        for place in 0..<12 { #expect(Set(identifiers.map { Array($0)[place] }).count > 1) }
    }
}
