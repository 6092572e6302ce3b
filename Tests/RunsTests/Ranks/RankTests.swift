import Testing

/// Training over the ranks of a job, against what one process computes on the whole batch.
///
/// Holds for any number of ranks; a plain process is one rank, and then several shards stand in for ranks. One
/// serialized suite holds all tests, because every rank has to run them in the same order.
@Suite("Training over ranks", .serialized)
@MainActor
enum RankTests {}
