// Lets one rank of a job meet a fault when it comes to a place: loaded before MPI and the C library (LD_PRELOAD), together with
// file_faults.c. The program knows nothing of it: ranks tell each other where they are, and this listens.
//
// ROBUSTMOE_FAULT_RANK   the rank, as Open MPI's launcher calls it
// ROBUSTMOE_FAULT_PLACE  how the text begins that the rank tells of the place, such as `step 5, attack`
// ROBUSTMOE_FAULT_KIND   kill       SIGKILL
//                        stop       SIGSTOP
//                        exit       exit(0), as a library might
//                        refuse     from then on MPI refuses to complete anything
//                        full       from then on every operation on files that needs space fails with ENOSPC
//                        error      from then on every operation that changes a file fails with EIO
//                        remove     ROBUSTMOE_FAULT_PATH is removed, with all that is in it
//                        damage     one byte of the file ROBUSTMOE_FAULT_PATH changes, then SIGKILL
//                        nan        the next sum of floats that the rank contributes to begins with a NaN
//                        flip       one bit of this rank's copy of the next sum of floats flips
//                        slow       the rank sleeps for ROBUSTMOE_FAULT_SECONDS
// ROBUSTMOE_FAULT_CALL   sum: the fault comes with the first sum of floats that is started at the place
// ROBUSTMOE_FAULT_MARK   a file that is made when the fault comes
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What file_faults.c lets operations fail with from now on.
extern int forced_error, forced_error_needs_space;

enum { place_bytes = 160 };

static int is_there = 0;
static int has_come = 0;
static int refuses = 0;
static int spoils = 0;

static const char *wish(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

static int is_rank(void) {
    const char *own = getenv("OMPI_COMM_WORLD_RANK"), *wanted = getenv("ROBUSTMOE_FAULT_RANK");
    return own && wanted && strcmp(own, wanted) == 0;
}

static int removed(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status, (void)type, (void)place;
    return remove(path);
}

static void damage(const char *path) {
    int file = open(path, O_RDWR);
    if (file < 0) return;
    off_t middle = lseek(file, 0, SEEK_END) / 2;
    char byte = 0;
    if (pread(file, &byte, 1, middle) == 1) {
        byte ^= 0x40;
        if (pwrite(file, &byte, 1, middle) != 1) perror("pwrite");
    }
    close(file);
}

static void happen(void) {
    has_come = 1;
    int mark = open(wish("ROBUSTMOE_FAULT_MARK"), O_WRONLY | O_CREAT, 0666);
    if (mark >= 0) close(mark);
    const char *kind = wish("ROBUSTMOE_FAULT_KIND"), *path = wish("ROBUSTMOE_FAULT_PATH");
    if (!strcmp(kind, "kill")) kill(getpid(), SIGKILL);
    if (!strcmp(kind, "stop")) kill(getpid(), SIGSTOP);
    if (!strcmp(kind, "exit")) exit(0);
    if (!strcmp(kind, "refuse")) refuses = 1;
    if (!strcmp(kind, "full")) forced_error = ENOSPC, forced_error_needs_space = 1;
    if (!strcmp(kind, "error")) forced_error = EIO;
    if (!strcmp(kind, "remove")) nftw(path, removed, 16, FTW_DEPTH | FTW_PHYS);
    if (!strcmp(kind, "damage")) damage(path), kill(getpid(), SIGKILL);
    if (!strcmp(kind, "nan") || !strcmp(kind, "flip")) spoils = 1;
    if (!strcmp(kind, "slow")) usleep(1000 * (useconds_t)(1000 * atof(wish("ROBUSTMOE_FAULT_SECONDS"))));
}

// A message of one byte and a text is what ranks tell each other of where they are.
int MPI_Isend(
    const void *bytes, int count, MPI_Datatype type, int to, int tag, MPI_Comm communicator, MPI_Request *request) {
    int is_place = !has_come && count == place_bytes && type == MPI_BYTE && is_rank();
    // The others hear of the place before the fault comes.
    int code = PMPI_Isend(bytes, count, type, to, tag, communicator, request);
    if (is_place) {
        const char *place = wish("ROBUSTMOE_FAULT_PLACE");
        if (!strncmp((const char *)bytes + 1, place, strlen(place))) is_there = 1;
        if (is_there && !*wish("ROBUSTMOE_FAULT_CALL")) happen();
    }
    return code;
}

int MPI_Iallreduce(
    const void *send, void *receive, int count, MPI_Datatype type, MPI_Op operation, MPI_Comm communicator,
    MPI_Request *request) {
    int is_sum = type == MPI_FLOAT && operation == MPI_SUM && count > 0;
    if (is_sum && is_there && !has_come) happen();
    int spoils_this = is_sum && spoils;
    if (spoils_this) {
        spoils = 0;
        if (!strcmp(wish("ROBUSTMOE_FAULT_KIND"), "nan")) ((float *)receive)[0] = __builtin_nanf("");
    }
    int code = PMPI_Iallreduce(send, receive, count, type, operation, communicator, request);
    if (spoils_this && !strcmp(wish("ROBUSTMOE_FAULT_KIND"), "flip")) {
        // What this rank gets of the sum is another number than what the others get.
        PMPI_Wait(request, MPI_STATUS_IGNORE);
        unsigned bits;
        memcpy(&bits, receive, sizeof bits);
        bits ^= 1u << 20;
        memcpy(receive, &bits, sizeof bits);
    }
    return code;
}

int MPI_Test(MPI_Request *request, int *done, MPI_Status *status) {
    if (refuses) return MPI_ERR_OTHER;
    return PMPI_Test(request, done, status);
}
