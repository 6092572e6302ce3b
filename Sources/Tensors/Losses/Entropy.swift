import Foundation

/// The entropy of shares, −Σ p log p, in nats; shares of 0 contribute 0.
public func entropyOf(_ shares: some Sequence<Double>) -> Double {
    shares.reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 }
}
