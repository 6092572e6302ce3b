import Files

/// Where a data set is published, in which files, and what becomes of them below `data.path`.
package struct PublishedDataset: Sendable {
    /// A file on the web.
    package struct Part: Sendable {
        /// Its name, the end of its address.
        package let name: String
        /// Its size and SHA-256.
        package let digest: FileDigest

        /// Describes a file.
        package init(_ name: String, bytes: Int, sha256: String) {
            self.name = name
            self.digest = FileDigest(bytes: bytes, sha256: sha256)
        }
    }

    /// How files are packed.
    package enum Packing: Sendable {
        /// As readers take them.
        case none
        /// Together, by tar and gzip.
        case tar
        /// Together, by zip.
        case zip
    }

    /// The folders on the web that hold the files; each is tried if those before it fail.
    package let addresses: [String]
    /// The files.
    package let parts: [Part]
    /// How they are packed.
    package let packing: Packing
    /// The folder below `data.path` that holds them afterwards; archives have it in them.
    package let folder: String

    /// Describes where a data set is published.
    package init(addresses: [String], parts: [Part], packing: Packing, folder: String) {
        self.addresses = addresses
        self.parts = parts
        self.packing = packing
        self.folder = folder
    }
}

extension DatasetName {
    /// Where the data set is published; nil for sets that are not to be had without leave, or are made.
    ///
    /// CIFAR and Fashion-MNIST lie where their authors' pages say. MNIST's own page serves its files no more; the addresses
    /// are those from which torchvision and TensorFlow Datasets fetch them. The SHA-256 of all but Tiny-ImageNet are those
    /// of TensorFlow Datasets' registry of checksums. Their authors publish MD5 for CIFAR and Fashion-MNIST, which go with
    /// the same files; for Tiny-ImageNet nobody publishes any, and this is the one of those who use it.
    package var published: PublishedDataset? {
        switch self {
        case .cifar10:
            PublishedDataset(
                addresses: ["https://www.cs.toronto.edu/~kriz"],
                parts: [
                    .init(
                        "cifar-10-binary.tar.gz", bytes: 170_052_171,
                        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd")
                ], packing: .tar, folder: "cifar-10-batches-bin")
        case .cifar100:
            PublishedDataset(
                addresses: ["https://www.cs.toronto.edu/~kriz"],
                parts: [
                    .init(
                        "cifar-100-binary.tar.gz", bytes: 168_513_733,
                        sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec")
                ], packing: .tar, folder: "cifar-100-binary")
        case .fashionMNIST:
            PublishedDataset(
                addresses: [
                    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
                    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
                ],
                parts: [
                    .init(
                        "train-images-idx3-ubyte.gz", bytes: 26_421_880,
                        sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
                    .init(
                        "train-labels-idx1-ubyte.gz", bytes: 29_515,
                        sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
                    .init(
                        "t10k-images-idx3-ubyte.gz", bytes: 4_422_102,
                        sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
                    .init(
                        "t10k-labels-idx1-ubyte.gz", bytes: 5_148,
                        sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
                ], packing: .none, folder: rawValue)
        case .mnist:
            PublishedDataset(
                addresses: [
                    "https://ossci-datasets.s3.amazonaws.com/mnist",
                    "https://storage.googleapis.com/cvdf-datasets/mnist",
                ],
                parts: [
                    .init(
                        "train-images-idx3-ubyte.gz", bytes: 9_912_422,
                        sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
                    .init(
                        "train-labels-idx1-ubyte.gz", bytes: 28_881,
                        sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
                    .init(
                        "t10k-images-idx3-ubyte.gz", bytes: 1_648_877,
                        sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
                    .init(
                        "t10k-labels-idx1-ubyte.gz", bytes: 4_542,
                        sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
                ], packing: .none, folder: rawValue)
        case .tinyImageNet:
            PublishedDataset(
                addresses: ["https://cs231n.stanford.edu", "http://cs231n.stanford.edu"],
                parts: [
                    .init(
                        "tiny-imagenet-200.zip", bytes: 248_100_043,
                        sha256: "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821")
                ], packing: .zip, folder: "tiny-imagenet-200")
        case .folder, .synthetic:
            nil
        }
    }
}
