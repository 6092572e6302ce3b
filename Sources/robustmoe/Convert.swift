import ArgumentParser
import Collectives
import Runs
import Training
import Weights

extension CheckpointLayout: ExpressibleByArgument {}

struct Convert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Brings weights into the names of another program, and back.",
        discussion: """
            Files are safetensors; launch/convert/pickle makes one of a PyTorch pickle. Layouts: robustmoe, this
            program's own (a run or a checkpoint will do as input); torchvision; robust-sparse-moes, the state dict of the
            public repository's model or Lightning module; robust-moe-cnn, that of the public AdvMoE code, the router repeated
            below every layer or not; robustbench, that of RobustBench's ResNets for small images, pre-activation ResNet-18
            and WRN-28-10. evaluate and experts read all of them with --layout.
            """)

    @Option(help: "The layout of the input.")
    var from: CheckpointLayout
    @Option(help: "The layout of the output.")
    var to: CheckpointLayout
    @Option(
        help: """
            The data set by whose published mean and deviation images are normalised, or none: for layout robustmoe, \
            from one that does not store them.
            """)
    var normalize: String?
    @Flag(help: "Replace the output.")
    var force = false
    @Argument(help: "The safetensors file to read.", completion: .file())
    var input: String
    @Argument(help: "The safetensors file to write.", completion: .file())
    var output: String

    func run() throws {
        // Under mpirun one rank does it.
        guard LaunchEnvironment.current.isRoot else { return }
        let session = ConversionSession(
            from: from, to: to, input: input, output: output, normalization: normalize, force: force)
        for line in try Job.prepare({ try session.run() }) { Console.print(line) }
    }
}
