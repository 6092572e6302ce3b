extension NamedTensor {
    /// What is not finite among its values, in words; nil if all are finite.
    fileprivate var notFinite: String? {
        guard case .float(let values) = values, let first = values.firstIndex(where: { !$0.isFinite }) else {
            return nil
        }
        let count = values[first...].count { !$0.isFinite }
        return
            "\(count) of the \(values.count) values of \(name) are not finite, the first is \(values[first]) at index "
            + "\(first); expected finite numbers"
    }
}

extension [String: NamedTensor] {
    /// Checks tensors that were read: a NaN or an infinity that nobody computes with would pass for a weight.
    /// - Throws: ``RunError/numerical(_:)`` that names the first tensor, by name, that holds one, and tells how many do.
    package func requireFinite(_ path: String) throws(RunError) {
        let findings = values.sorted { $0.name < $1.name }.compactMap(\.notFinite)
        guard let first = findings.first else { return }
        let more = findings.count > 1 ? "; \(findings.count - 1) more tensors are not finite" : ""
        throw .numerical("\(path): \(first)\(more)")
    }
}
