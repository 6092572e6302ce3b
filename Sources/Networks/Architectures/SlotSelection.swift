/// What is left of a slot of a network that is not pruned, where channels are gone.
///
/// Outside, a slot is a list of rows, one for each output, of as many pieces as there are inputs: the taps of a filter, the
/// pixels of a flattened map, or a single value. What is left is some of the rows, and of each some of the pieces.
public struct SlotSelection: Hashable, Sendable {
    /// The shape of the whole tensor, PyTorch's.
    public let wholeShape: [Int]
    /// Its inputs; 1 for a vector.
    public let wholeInputs: Int
    /// The outputs that are left, rising; nil means all.
    public let outputs: [Int]?
    /// The inputs that are left, rising; nil means all.
    public let inputs: [Int]?

    /// Calls `body` with the place of every element that is left, and its place in the whole tensor.
    public func forEachPair(_ body: (_ place: Int, _ whole: Int) -> Void) {
        let rowLength = wholeShape.dropFirst().reduce(1, *)
        let piece = rowLength / wholeInputs
        var place = 0
        for output in outputs ?? Array(0..<wholeShape[0]) {
            for input in inputs ?? Array(0..<wholeInputs) {
                let start = output * rowLength + input * piece
                for index in start..<start + piece {
                    body(place, index)
                    place += 1
                }
            }
        }
    }
}
