import Foundation

// Named wrappers, so that the files that use them need not import Foundation and its other names.

func exponential(_ x: Double) -> Double { exp(x) }
func logarithm(_ x: Double) -> Double { log(x) }
