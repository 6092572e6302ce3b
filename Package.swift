// swift-tools-version:6.2
// Swift 6.2 is the oldest that builds this: files are read through its spans.
import PackageDescription

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let mustache = Target.Dependency.product(name: "Mustache", package: "swift-mustache")
let swiftCSV = Target.Dependency.product(name: "SwiftCSV", package: "SwiftCSV")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

// The MPI library: Open MPI, or MPICH and those with its interface.
let isMPICH = Context.environment["ROBUSTMOE_MPI"] == "mpich"

let package = Package(
    name: "RobustMoE",
    products: [
        .executable(name: "robustmoe", targets: ["robustmoe"]),
        .library(name: "Tensors", targets: ["Tensors"]),
        .library(name: "Networks", targets: ["Networks"]),
        .library(name: "Attacks", targets: ["Attacks"]),
        .library(name: "NetworkAttacks", targets: ["NetworkAttacks"]),
        .library(name: "Collectives", targets: ["Collectives"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swiftcsv/SwiftCSV", from: "0.10.0"),
    ],
    targets: [
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(
            name: "CMPI", pkgConfig: isMPICH ? "mpich" : "ompi-c",
            providers: [.apt([isMPICH ? "libmpich-dev" : "libopenmpi-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
        .systemLibrary(name: "CHardware"),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .plugin(name: "RecordBuild", capability: .buildTool(), path: "Sources/RecordBuild"),
        .target(name: "BuildRecord", plugins: ["RecordBuild"]),
        .target(name: "Tensors", dependencies: ["CHardware", "COpenBLAS"]),
        .target(
            name: "Collectives", dependencies: ["CMPI"], swiftSettings: isMPICH ? [.define("MPICH")] : []),
        .target(name: "Files", dependencies: ["COpenSSL", "CZlib"]),
        .target(name: "Networks", dependencies: ["Tensors"]),
        .target(name: "Attacks", dependencies: ["Tensors"]),
        .target(name: "NetworkAttacks", dependencies: ["Attacks", "Networks", "Tensors"]),
        .target(name: "Datasets", dependencies: ["CJPEG", "CPNG", "CZlib", "Files", "Tensors"]),
        .target(name: "Weights", dependencies: ["Files", "Networks"]),
        .target(
            name: "Training",
            dependencies: ["Attacks", "Collectives", "Files", "NetworkAttacks", "Networks", "Tensors", "Weights"]),
        .target(
            name: "Evaluation",
            dependencies: [
                "Attacks", "Collectives", "Datasets", "Files", "NetworkAttacks", "Networks", "Tensors", "Weights",
            ]),
        .target(
            name: "Configuration",
            dependencies: ["Attacks", "Datasets", "Evaluation", "NetworkAttacks", "Networks", "Training", yams]),
        .target(name: "Reports", dependencies: ["Files", mustache, swiftCSV, yams]),
        .target(
            name: "Runs",
            dependencies: [
                "Attacks", "BuildRecord", "CHardware", "Collectives", "Configuration", "Datasets", "Evaluation", "Files",
                "NetworkAttacks", "Networks", "Tensors", "Training", "Weights", logging,
            ]),
        .executableTarget(
            name: "robustmoe",
            dependencies: [
                "CHardware", "Collectives", "Configuration", "Files", "Reports", "Runs", "Weights", argumentParser, logging,
            ]),
        .target(name: "TestSupport", dependencies: ["Collectives", "Networks", "Tensors"], path: "Tests/TestSupport"),
        .testTarget(name: "TensorsTests", dependencies: ["Tensors"]),
        .testTarget(name: "NetworksTests", dependencies: ["Networks", "TestSupport"], exclude: ["Fixtures"]),
        .testTarget(name: "AttacksTests", dependencies: ["Attacks"], exclude: ["Fixtures"]),
        .testTarget(name: "LibraryTests", dependencies: ["Attacks", "NetworkAttacks", "Networks", "Tensors"]),
        .testTarget(name: "DatasetsTests", dependencies: ["Datasets", "Files", "TestSupport"], exclude: ["Fixtures"]),
        .testTarget(name: "CollectivesTests", dependencies: ["Collectives", "TestSupport"]),
        .testTarget(name: "FilesTests", dependencies: ["Files", "TestSupport", swiftCSV]),
        .testTarget(name: "ConfigurationTests", dependencies: ["Attacks", "Configuration", "TestSupport", "Training"]),
        .testTarget(name: "WeightsTests", dependencies: ["Runs", "TestSupport", "Weights"]),
        .testTarget(
            name: "TrainingTests", dependencies: ["Attacks", "NetworkAttacks", "Runs", "TestSupport", "Training"],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "EvaluationTests",
            dependencies: ["Attacks", "Configuration", "Evaluation", "NetworkAttacks", "TestSupport"]),
        .testTarget(name: "RunsTests", dependencies: ["Attacks", "NetworkAttacks", "Runs", "TestSupport"]),
        .testTarget(name: "ReportsTests", dependencies: ["Reports", "TestSupport"]),
        .testTarget(
            name: "CommandTests", dependencies: ["robustmoe", "Files", "Weights", swiftCSV], exclude: ["Shims"]),
    ],
    swiftLanguageModes: [.v6]
)
