/// The shape of a convolution over square kernels: NHWC input, HWIO filter `[kernel, kernel, inputChannels, outputChannels]`.
public struct ConvolutionGeometry: Hashable, Sendable {
    /// The images convolved at once, 0 or more.
    public var images: Int
    /// Rows of the input map.
    public var height: Int
    /// Columns of the input map.
    public var width: Int
    /// Channels of the input.
    public var inputChannels: Int
    /// Channels of the output.
    public var outputChannels: Int
    /// Taps of the kernel a side.
    public var kernel: Int
    /// Input pixels between neighbouring outputs.
    public var stride: Int
    /// Zeros around the input on each side.
    public var padding: Int

    /// Makes a geometry; see the properties.
    public init(
        images: Int, height: Int, width: Int, inputChannels: Int, outputChannels: Int, kernel: Int, stride: Int,
        padding: Int
    ) {
        self.images = images
        self.height = height
        self.width = width
        self.inputChannels = inputChannels
        self.outputChannels = outputChannels
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        precondition(
            outputHeight > 0 && outputWidth > 0,
            "a \(kernel)x\(kernel) kernel with padding \(padding) does not fit a \(height)x\(width) map")
    }

    /// Rows of the output map: (height + 2 padding − kernel) / stride + 1, rounded down.
    public var outputHeight: Int { (height + 2 * padding - kernel) / stride + 1 }
    /// Columns of the output map.
    public var outputWidth: Int { (width + 2 * padding - kernel) / stride + 1 }
    /// Output pixels of all images.
    public var outputPixels: Int { images * outputHeight * outputWidth }
    /// Elements of one filter patch: kernel² times input channels.
    public var patchSize: Int { kernel * kernel * inputChannels }
    /// Multiply-adds of a direct convolution; the same for forward, input gradient and weight gradient.
    public var directMultiplyAdds: Int { outputPixels * patchSize * outputChannels }
}
