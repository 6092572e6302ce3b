import CMPI

// Open MPI's handles are pointers, of which Swift takes those that MPI fills in for optional; MPICH's, and those of the libraries
// with its interface, are numbers.

#if MPICH
    /// A request as MPI fills it in.
    typealias MPIRequest = MPI_Request
    /// A communicator as MPI fills it in.
    typealias MPIComm = MPI_Comm

    /// A communicator that a call has made.
    func present(_ communicator: MPIComm, after call: String) -> MPI_Comm { communicator }
#else
    /// A request as MPI fills it in.
    typealias MPIRequest = MPI_Request?
    /// A communicator as MPI fills it in.
    typealias MPIComm = MPI_Comm?

    /// A communicator that a call has made.
    func present(_ communicator: MPIComm, after call: String) -> MPI_Comm {
        guard let communicator else { preconditionFailure("\(call) succeeded and made no communicator") }
        return communicator
    }
#endif
