// Lets one file operation of a process fail, or ends the process there: loaded before the C library (LD_PRELOAD).
//
// ROBUSTMOE_FAULT_UNDER  the directory whose files count; every operation that changes something there has a number, from 1
// ROBUSTMOE_FAULT        count:FILE  writes the number of operations into FILE, again and again
//                        kill:N      SIGKILL before operation N
//                        full:N      operation N and all later ones that need space fail with ENOSPC
//                        error:N     operation N fails with EIO
//                        again:N     every N-th operation fails once with EINTR
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static long operations = 0;

// What all operations fail with from now on, or all that need space; rank_faults.c sets it.
int forced_error = 0, forced_error_needs_space = 0;

static const char *base(void) { return getenv("ROBUSTMOE_FAULT_UNDER"); }

static int counts_path(const char *path) {
    const char *under = base();
    return under && path && strncmp(path, under, strlen(under)) == 0;
}

static int counts_file(int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return counts_path(path);
}

// Counts an operation; returns the error that it is to fail with, or 0.
static int fault(int needs_space) {
    if (forced_error && (needs_space || !forced_error_needs_space)) return forced_error;
    const char *wish = getenv("ROBUSTMOE_FAULT");
    if (!wish) return 0;
    long number = __sync_add_and_fetch(&operations, 1);
    const char *argument = strchr(wish, ':');
    if (!argument) return 0;
    argument += 1;
    if (strncmp(wish, "count:", 6) == 0) {
        static int (*next)(const char *, int, ...) = 0;
        if (!next) next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
        int file = next(argument, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        if (file >= 0) {
            dprintf(file, "%ld\n", number);
            close(file);
        }
        return 0;
    }
    long wanted = atol(argument);
    if (strncmp(wish, "kill:", 5) == 0 && number == wanted) kill(getpid(), SIGKILL);
    if (strncmp(wish, "full:", 5) == 0 && number >= wanted && needs_space) return ENOSPC;
    if (strncmp(wish, "error:", 6) == 0 && number == wanted) return EIO;
    if (strncmp(wish, "again:", 6) == 0 && number % wanted == 0) return EINTR;
    return 0;
}

#define NEXT(result, name, ...)                                                    \
    static result (*next)(__VA_ARGS__) = 0;                                        \
    if (!next) next = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

#define FAIL_IF(counted, needs_space)                                              \
    if (counted) {                                                                 \
        int error = fault(needs_space);                                            \
        if (error) {                                                               \
            errno = error;                                                         \
            return -1;                                                             \
        }                                                                          \
    }

#define OPEN(name)                                                                 \
    int name(const char *path, int flags, ...) {                                   \
        NEXT(int, #name, const char *, int, ...);                                  \
        va_list arguments;                                                         \
        va_start(arguments, flags);                                                \
        mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;             \
        va_end(arguments);                                                         \
        FAIL_IF((flags & (O_WRONLY | O_RDWR | O_CREAT)) && counts_path(path), flags & O_CREAT) \
        return next(path, flags, mode);                                            \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int file, const void *bytes, size_t count) {
    NEXT(ssize_t, "write", int, const void *, size_t);
    FAIL_IF(file > 2 && counts_file(file), 1)
    return next(file, bytes, count);
}

int fsync(int file) {
    NEXT(int, "fsync", int);
    FAIL_IF(counts_file(file), 0)
    return next(file);
}

int fdatasync(int file) {
    NEXT(int, "fdatasync", int);
    FAIL_IF(counts_file(file), 0)
    return next(file);
}

int ftruncate(int file, off_t length) {
    NEXT(int, "ftruncate", int, off_t);
    FAIL_IF(counts_file(file), 0)
    return next(file, length);
}

int ftruncate64(int file, off64_t length) {
    NEXT(int, "ftruncate64", int, off64_t);
    FAIL_IF(counts_file(file), 0)
    return next(file, length);
}

int rename(const char *from, const char *to) {
    NEXT(int, "rename", const char *, const char *);
    FAIL_IF(counts_path(to), 0)
    return next(from, to);
}

int link(const char *from, const char *to) {
    NEXT(int, "link", const char *, const char *);
    FAIL_IF(counts_path(to), 1)
    return next(from, to);
}

int mkdir(const char *path, mode_t mode) {
    NEXT(int, "mkdir", const char *, mode_t);
    FAIL_IF(counts_path(path), 1)
    return next(path, mode);
}

int rmdir(const char *path) {
    NEXT(int, "rmdir", const char *);
    FAIL_IF(counts_path(path), 0)
    return next(path);
}

int unlink(const char *path) {
    NEXT(int, "unlink", const char *);
    FAIL_IF(counts_path(path), 0)
    return next(path);
}
