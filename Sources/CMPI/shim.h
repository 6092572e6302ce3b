// Swift cannot import MPI's handles, which are macros that cast; each gets an accessor here.
#ifndef CMPI_SHIM_H
#define CMPI_SHIM_H

#include <mpi.h>

static inline MPI_Comm CMPI_commWorld(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm CMPI_commNull(void) { return MPI_COMM_NULL; }
static inline MPI_Info CMPI_infoNull(void) { return MPI_INFO_NULL; }
static inline MPI_Request CMPI_requestNull(void) { return MPI_REQUEST_NULL; }
static inline MPI_Errhandler CMPI_errorsReturn(void) { return MPI_ERRORS_RETURN; }
static inline void *CMPI_inPlace(void) { return MPI_IN_PLACE; }

static inline MPI_Datatype CMPI_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype CMPI_double(void) { return MPI_DOUBLE; }
static inline MPI_Datatype CMPI_int64(void) { return MPI_INT64_T; }
static inline MPI_Datatype CMPI_uint8(void) { return MPI_UINT8_T; }
static inline MPI_Datatype CMPI_byte(void) { return MPI_BYTE; }

static inline MPI_Op CMPI_sum(void) { return MPI_SUM; }
static inline MPI_Op CMPI_max(void) { return MPI_MAX; }
static inline MPI_Op CMPI_min(void) { return MPI_MIN; }

static inline int CMPI_threadSingle(void) { return MPI_THREAD_SINGLE; }
static inline int CMPI_threadSerialized(void) { return MPI_THREAD_SERIALIZED; }
static inline int CMPI_threadMultiple(void) { return MPI_THREAD_MULTIPLE; }
static inline int CMPI_threadFunneled(void) { return MPI_THREAD_FUNNELED; }
static inline int CMPI_sharedMemory(void) { return MPI_COMM_TYPE_SHARED; }

// Without a status to fill in: MPI_STATUS_IGNORE is a macro too.
static inline int CMPI_test(MPI_Request *request, int *done) { return MPI_Test(request, done, MPI_STATUS_IGNORE); }

// The rank whose message of tag 0 is here, if there is one; MPI_ANY_SOURCE and MPI_Status stay on this side.
static inline int CMPI_probe(MPI_Comm communicator, int *found, int *source) {
    MPI_Status status;
    int code = MPI_Iprobe(MPI_ANY_SOURCE, 0, communicator, found, &status);
    *source = code == MPI_SUCCESS && *found ? status.MPI_SOURCE : -1;
    return code;
}

// The same, and how many bytes the message has.
static inline int CMPI_probeBytes(MPI_Comm communicator, int *found, int *source, int *count) {
    MPI_Status status;
    int code = MPI_Iprobe(MPI_ANY_SOURCE, 0, communicator, found, &status);
    *source = -1;
    *count = 0;
    if (code != MPI_SUCCESS || !*found) return code;
    *source = status.MPI_SOURCE;
    return MPI_Get_count(&status, MPI_BYTE, count);
}

static inline int CMPI_receive(void *bytes, int count, int source, MPI_Comm communicator) {
    return MPI_Recv(bytes, count, MPI_BYTE, source, 0, communicator, MPI_STATUS_IGNORE);
}

#endif
