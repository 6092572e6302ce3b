/// A row of `cost.csv`: multiply-adds of a forward pass of one image, counted from the network's layers.
///
/// Batch norms, ReLUs and pooling are not counted.
package struct CostRow: CSVRow, Equatable {
    /// What is counted.
    ///
    /// - `path`: what runs for an image, shared layers and chosen experts, without routers;
    /// - `path-and-routers`;
    /// - `all-experts`: with all experts computed, as codes do that mask their results, without routers;
    /// - `published`, of a pruned network: with inputs shrunk by the share of filters that is left as well as outputs, in
    ///   every layer, which is what AdvMoE's paper counts.
    package var counted: String
    /// How many.
    package var multiplyAdds: Int

    /// Makes a value of its parts.
    package init(counted: String, multiplyAdds: Int) {
        self.counted = counted
        self.multiplyAdds = multiplyAdds
    }

    /// The columns of `cost.csv`.
    package static let columns: [CSVColumn<CostRow>] = [
        CSVColumn("counted") { .text($0.counted) },
        CSVColumn("multiply_adds") { .integer($0.multiplyAdds) },
    ]
}
