import Foundation

// Named wrappers, so that the files that use them need not import Foundation and its other names.

@inline(__always) func logarithm(_ x: Double) -> Double { log(x) }
@inline(__always) func cosine(_ x: Double) -> Double { cos(x) }
