import Tensors

/// A rectangle of an image.
struct Window {
    let rows: Range<Int>
    let columns: Range<Int>

    /// A square.
    init(row: Int, column: Int, side: Int) {
        rows = row..<row + side
        columns = column..<column + side
    }

    /// A whole image.
    init(_ images: Tensor) {
        rows = 0..<images.height
        columns = 0..<images.width
    }

    /// A square anywhere but, as in AutoAttack, in the last rows and columns that it fits in, where it has a choice.
    static func draw(side: Int, _ images: Tensor, _ stream: inout RandomStream) -> Window {
        let row = stream.integer(below: max(1, images.height - side))
        let column = stream.integer(below: max(1, images.width - side))
        return Window(row: row, column: column, side: side)
    }

    /// Its pixels, row by row, as numbers of pixels of an image.
    /// - Parameter other: A window of the same size whose pixels are left out.
    func pixels(_ images: Tensor, outside other: Window? = nil) -> [Int] {
        var result: [Int] = []
        result.reserveCapacity(rows.count * columns.count)
        for row in rows {
            for column in columns where other?.contains(row, column) != true {
                result.append(row * images.width + column)
            }
        }
        return result
    }

    private func contains(_ row: Int, _ column: Int) -> Bool { rows.contains(row) && columns.contains(column) }

    /// Where the first element of one of its rows is in a tensor.
    func offset(_ tensor: Tensor, _ image: Int, _ row: Int) -> Int {
        ((image * tensor.height + row) * tensor.width + columns.lowerBound) * tensor.channels
    }

    /// Copies what lies in it.
    func copy(_ source: Tensor, to target: Tensor, _ image: Int) {
        for row in rows {
            let start = offset(source, image, row)
            (target.pointer + start).update(from: source.pointer + start, count: columns.count * source.channels)
        }
    }
}
