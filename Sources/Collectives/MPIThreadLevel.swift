import CMPI

extension MPICommunicator {
    /// The name of the thread level that MPI runs at, once it has been started.
    public static var threadLevel: String {
        var level: Int32 = 0
        guard MPI_Query_thread(&level) == MPI_SUCCESS else { return "unknown" }
        switch level {
        case CMPI_threadSingle(): return "single"
        case CMPI_threadFunneled(): return "funneled"
        case CMPI_threadSerialized(): return "serialized"
        case CMPI_threadMultiple(): return "multiple"
        default: return "\(level)"
        }
    }
}
