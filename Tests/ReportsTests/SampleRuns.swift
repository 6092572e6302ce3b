import Files
import Foundation
import TestSupport

/// Two runs with every table that a report looks at, of a mixture with two layers of three experts.
enum SampleRuns {
    private static let classes = ["airplane", "automobile", "a <b>bold</b> & very long name of a class"]
    private static let attacks = ["pgd-linf-4of255-10", "pgd-linf-8of255-10"]
    private static let layers = ["layer4.0.conv1", "layer4.1.conv2"]

    /// Writes the runs `first` and `second`, each with an evaluation and one of its experts within.
    static func make() throws -> ScratchFolder {
        let folder = try ScratchFolder()
        for (number, name) in ["first", "second"].enumerated() {
            try train(RunDirectory(folder(name), opening: .fresh), number)
            try evaluate(RunDirectory(folder("\(name)/evaluate"), opening: .fresh), number)
            try evaluateExperts(RunDirectory(folder("\(name)/experts"), opening: .fresh), number)
        }
        return folder
    }

    private static func train(_ run: RunDirectory, _ number: Int) throws {
        let tables = OpenTables(run, runID: "run\(number)")
        try run.writeConfiguration(
            "preset: null\nattack:\n  epsilon: 8/255\ntraining:\n  seed: \(number)\n  epochs: 4\n")
        try run.writeCommand(["robustmoe", "train", String(repeating: "long", count: 60)])
        for epoch in 1...4 {
            let share = Double(epoch) / 10
            for (split, inputs) in [("train", "pgd"), ("validation", "clean"), ("validation", "pgd")] {
                let position = RowPosition(epoch: epoch, step: 10 * epoch, split: split, inputs: inputs)
                try tables.append(
                    MetricsRow(
                        position: position, loss: 2 - share, taskLoss: 1.5 - share, balanceLoss: 0.5,
                        accuracy: 0.2 + share + (split == "train" ? 0.1 : 0), samples: 100,
                        learningRate: 0.1 - share / 10,
                        wallSeconds: 4, imagesPerSecond: 25, attackSeconds: 2, allreduceSeconds: 0.1, gradientNorm: 1,
                        probeAccuracy: split == "validation" && inputs == "pgd" ? 0.3 + share : nil,
                        backwardSeconds: 1, checkpointSeconds: 0.25, workSeconds: 2.5...3))
                for (layer, expert) in layers.flatMap({ layer in (0..<3).map { (layer, $0) } }) {
                    let isDead = expert == 2 && epoch > 2
                    try tables.append(
                        ExpertRow(
                            position: position, layer: layer, expert: expert, count: isDead ? 0 : 30,
                            fraction: isDead ? 0 : epoch > 2 ? 0.5 : 1.0 / 3, probabilityMass: 0.3, dead: isDead))
                }
                for layer in layers {
                    try tables.append(
                        RoutingRow(
                            position: position, layer: layer, samples: 100, usageEntropy: 1 - share,
                            routerEntropy: 0.9, maxOverMean: 1.2, flipRate: inputs == "pgd" ? share : nil))
                }
            }
        }
    }

    private static func evaluate(_ run: RunDirectory, _ number: Int) throws {
        let tables = OpenTables(run, runID: "run\(number)")
        func row(_ attack: String, _ epsilon: Double?, _ correct: Int) throws {
            try tables.append(
                EvaluationRow(
                    checkpoint: "step-00000040", checkpointSHA256: "ab", dataset: "cifar10", split: "test", samples: 60,
                    attack: attack, norm: epsilon.map { _ in "linf" }, epsilon: epsilon,
                    stepSize: epsilon.map { $0 / 4 },
                    steps: epsilon.map { _ in 10 }, correct: correct - number, seconds: 1,
                    flags: epsilon.map { _ in "silent-success=2" }))
        }
        try row("none", nil, 40)
        for (attack, units) in zip(attacks, [4.0, 8]) { try row(attack, units / 255, 35 - Int(units)) }
        try row("worst-case", nil, 27)
        let samples = try tables.openPerSample(attacks: attacks)
        for index in 0..<60 {
            try samples.append(
                PerSampleRow(
                    index: index, label: index % 3, cleanPrediction: (index + index / 40) % 3, cleanLoss: 1,
                    outcomes: [30, 25].map {
                        .init(prediction: (index + index / ($0 - number)) % 3, loss: 2, distance: 0.03)
                    }))
        }
        for inputs in ["clean"] + attacks {
            for (label, name) in classes.enumerated() {
                try tables.append(
                    ClassRow(
                        split: "test", inputs: inputs, label: label, name: name, samples: 20, predicted: 20,
                        correct: 10,
                        recall: 0.5))
                for (layer, expert) in layers.flatMap({ layer in (0..<3).map { (layer, $0) } }) {
                    let isMoved = inputs != "clean" && label == 1
                    try tables.append(
                        ExpertClassRow(
                            split: "test", inputs: inputs, layer: layer, expert: expert, label: label, name: name,
                            count: 7, shareOfClass: expert == (isMoved ? 0 : label) ? 0.8 : 0.1))
                }
            }
            try tables.append(
                DissectionRow(
                    split: "test", inputs: inputs, samples: 60, neither: 30, routerOnly: 5, predictionOnly: 15,
                    both: 10,
                    pathways: 4, pathwayEntropy: 1.2, cleanOverlap: 0.9, maskOverlap: 0.3, maskOverlapDeviation: 0.1,
                    maskOverlapChance: 0.25))
            for (layer, expert) in layers.flatMap({ layer in (0..<3).map { (layer, $0) } }) {
                for bin in 0..<RouterScoreRow.bins {
                    try tables.append(
                        RouterScoreRow(
                            split: "test", inputs: inputs, layer: layer, expert: expert, bin: bin,
                            count: bin == 5 + expert ? 40 : bin == 10 ? 20 : 0, samples: 60))
                }
            }
            for row in MaskOverlapRow.rows((0..<60).map { Double($0) / 70 }, split: "test", inputs: inputs) {
                try tables.append(row)
            }
        }
        var images = ExampleImages(shape: [4, 4, 3])
        for (number, what) in ExampleRow.Case.allCases.enumerated() {
            try tables.append(
                ExampleRow(
                    split: "test", inputs: attacks[1], whatHappened: what, index: number, label: (0, classes[0]),
                    prediction: (2, classes[2]), loss: 1.5, distance: 8 / 255, cleanExperts: [[0], [1]],
                    experts: [[0], [2]]))
            let pixels = (0..<48).map { Float($0 + number) / 64 }
            func bytes(_ values: [Float]) -> Data { values.withUnsafeBytes { Data($0) } }
            images.append(clean: bytes(pixels), attacked: bytes(pixels.map { $0 + 1 / 32 }))
        }
        try run.write(images)
        let map = PNGImage.bytes(
            [UInt8](repeating: 90, count: 48), width: 4, height: 4, channels: 3, software: PNGImage.ownSoftware)
        try run.writeExpertMaps(map)
    }

    private static func evaluateExperts(_ run: RunDirectory, _ number: Int) throws {
        let tables = OpenTables(run, runID: "run\(number)")
        for (layer, inputs) in layers.flatMap({ layer in ["clean", attacks[1]].map { (layer, $0) } }) {
            for expert in [0, 1, 2, nil] {
                try tables.append(
                    FixedExpertRow(
                        checkpoint: "step-00000040", dataset: "cifar10", split: "test", layer: layer, expert: expert,
                        inputs: inputs, samples: 60, correct: 20 + (expert ?? 5), loss: 1, gatedCorrect: 25))
            }
        }
    }
}
