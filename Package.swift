// swift-tools-version:6.0
import PackageDescription

let package = Package(
    name: "RobustMoE",
    products: [
        .executable(name: "robustmoe", targets: ["robustmoe"]),
        .library(name: "Attacks", targets: ["Attacks"]),
        .library(name: "Networks", targets: ["Networks"]),
        .library(name: "Collectives", targets: ["Collectives"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swiftcsv/SwiftCSV", from: "0.10.0"),
    ],
    targets: [
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .target(name: "Tensors", dependencies: ["COpenBLAS"]),
        .target(name: "Networks", dependencies: ["Tensors"]),
        .target(name: "Attacks", dependencies: ["Tensors"]),
        .target(
            name: "Datasets",
            dependencies: ["Tensors", "CJPEG", "CPNG", "CZlib", .product(name: "Crypto", package: "swift-crypto")]),
        .target(name: "Collectives", dependencies: ["CMPI"]),
        .target(
            name: "Training",
            dependencies: [
                "Attacks", "Collectives", "Datasets", "Networks",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Yams", package: "Yams"),
            ]),
        .target(name: "Reports", dependencies: [.product(name: "SwiftCSV", package: "SwiftCSV")]),
        .executableTarget(
            name: "robustmoe",
            dependencies: [
                "Collectives", "Reports", "Training",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .testTarget(name: "TensorsTests", dependencies: ["Tensors"]),
        .target(name: "TestSupport", dependencies: ["Networks", "Tensors"], path: "Tests/TestSupport"),
        .testTarget(name: "NetworksTests", dependencies: ["Networks", "TestSupport"], exclude: ["Fixtures"]),
        .testTarget(name: "AttacksTests", dependencies: ["Attacks"]),
        .testTarget(
            name: "DatasetsTests", dependencies: ["Datasets", .product(name: "Crypto", package: "swift-crypto")],
            exclude: ["Fixtures"]),
        .testTarget(name: "CollectivesTests", dependencies: ["Collectives"]),
        .testTarget(
            name: "TrainingTests",
            dependencies: ["TestSupport", "Training", .product(name: "SwiftCSV", package: "SwiftCSV")],
            exclude: ["Fixtures"]),
        .testTarget(name: "ReportsTests", dependencies: ["Reports"]),
        .testTarget(
            name: "CommandTests",
            dependencies: ["robustmoe", "Training", .product(name: "SwiftCSV", package: "SwiftCSV")]),
    ],
    swiftLanguageModes: [.v6]
)
