import CMPI

/// Which algorithm Open MPI adds up long vectors with.
///
/// In place, its non-blocking reduction goes up and down a binomial tree, however long the vector: the whole of it moves
/// twice along each branch, one way at a time. Around a ring a rank sends 2(size − 1)/size of it and receives as much at
/// the same time: measured half the time, on one host and between two. All ranks get the same bits either way.
///
/// The library chooses by a control variable of its own, which may change between calls. Where there is none (another
/// MPI library), or the user has set it (`--mca coll_libnbc_iallreduce_algorithm`), nothing is done.
package struct ReductionAlgorithm {
    private static let name = "coll_libnbc_iallreduce_algorithm"
    private static let libraryChoice: Int32 = 0
    private static let ring: Int32 = 1
    /// The fewest elements of a rank's part of the ring, below which messages are too short to gain anything.
    package static let leastPart = 1 << 14

    private var handle: MPI_T_cvar_handle?
    private let size: Int

    /// Looks for the variable, once MPI has been started; `size` is the number of ranks.
    init(size: Int) {
        self.size = size
        var level: Int32 = 0
        var index: Int32 = 0
        var count: Int32 = 0
        var found: MPI_T_cvar_handle?
        guard MPI_T_init_thread(CMPI_threadFunneled(), &level) == MPI_SUCCESS,
            MPI_T_cvar_get_index(Self.name, &index) == MPI_SUCCESS,
            MPI_T_cvar_handle_alloc(index, nil, &found, &count) == MPI_SUCCESS, count == 1
        else { return }
        var value: Int32 = -1
        if MPI_T_cvar_read(found, &value) == MPI_SUCCESS, value == Self.libraryChoice { handle = found }
    }

    /// Returns what `start` returns, which starts one reduction of `count` elements in place, with the algorithm that
    /// suits it; every rank must ask with the same count.
    func choose(for count: Int, _ start: () -> Int32) -> Int32 {
        guard let handle, count / size >= Self.leastPart else { return start() }
        set(handle, Self.ring)
        defer { set(handle, Self.libraryChoice) }
        return start()
    }

    private func set(_ handle: MPI_T_cvar_handle, _ algorithm: Int32) {
        var algorithm = algorithm
        MPI_T_cvar_write(handle, &algorithm)
    }
}
