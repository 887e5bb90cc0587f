/* fail: a library for LD_PRELOAD that makes one call of a process fail, or kills the process at it.
 *
 *   FAIL_SET=flush|write|read|io|memory
 *                        which calls count: flushes of files; writes; reads; all that writes, cuts,
 *                        opens and flushes files; allocations
 *   FAIL_FOLDER=/path    only files in there count (all sets but memory)
 *   FAIL_AT=N            the N-th such call, from 1; from FAIL_FROM on
 *   FAIL_FROM=FILE       counting begins when this file exists (looked for at each call); left out:
 *                        at once
 *   FAIL_HOW=error|always|short|halves|before|after
 *                        error: that call fails; always: all later ones too; short: that write
 *                        writes half; halves: all later ones too; before, after: SIGKILL before it
 *                        is done, or after
 *   FAIL_ERRNO=NUMBER    with which errno (memory: always ENOMEM)
 *   FAIL_MARK=FILE       is made when it happens
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* SET_IO takes SET_FLUSH, SET_WRITE and what is neither; nothing counts as SET_NONE. */
enum set { SET_NONE, SET_FLUSH, SET_WRITE, SET_IO, SET_READ, SET_MEMORY };
enum how { HOW_ERROR, HOW_ALWAYS, HOW_SHORT, HOW_HALVES, HOW_BEFORE, HOW_AFTER };

static enum set set;
static enum how how;
static const char *folder, *mark, *from;
static int error_number = EIO;
static long at = 1;
static atomic_long calls;
static atomic_int begun;

/* Where a name stands in a list; the first one when it is in none. */
static int place_of(const char *name, const char *const names[], int count)
{
    for (int i = 0; name && i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return 0;
}

static enum set set_of(const char *name)
{
    static const char *const names[] = {"none", "flush", "write", "io", "read", "memory"};
    return (enum set)place_of(name, names, 6);
}

static enum how how_of(const char *name)
{
    static const char *const names[] = {"error", "always", "short", "halves", "before", "after"};
    return (enum how)place_of(name, names, 6);
}

__attribute__((constructor)) static void begin(void)
{
    const char *text;
    folder = getenv("FAIL_FOLDER");
    mark = getenv("FAIL_MARK");
    from = getenv("FAIL_FROM");
    if ((text = getenv("FAIL_AT")))
        at = atol(text);
    if ((text = getenv("FAIL_ERRNO")))
        error_number = atoi(text);
    how = how_of(getenv("FAIL_HOW"));
    begun = from == NULL;
    set = set_of(getenv("FAIL_SET"));
}

static void happened(void)
{
    if (!mark)
        return;
    long fd = syscall(SYS_openat, AT_FDCWD, mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        syscall(SYS_close, fd);
}

static void die(void)
{
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;)
        pause();
}

static int has_begun(void)
{
    if (!begun && syscall(SYS_faccessat, AT_FDCWD, from, F_OK) == 0)
        begun = 1;
    return begun;
}

/* Whether a call of this sort is the one; a persistent failure is for all that follow. */
static int is_it(enum set sort)
{
    int counts = set == sort || (set == SET_IO && (sort == SET_FLUSH || sort == SET_WRITE));
    int kept = errno, it = 0;
    if (counts && has_begun()) {
        long call = ++calls;
        it = how == HOW_ALWAYS || how == HOW_HALVES ? call >= at : call == at;
        if (it && call == at)
            happened();
    }
    errno = kept;
    return it;
}

static int is_inside(int fd)
{
    char link[64], path[512];
    if (!folder)
        return 1;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

/* The N-th call on a file of the folder: 1 when it is to fail. */
static int strikes(enum set sort, int fd)
{
    if (set == SET_NONE || set == SET_MEMORY || !is_inside(fd) || !is_it(sort))
        return 0;
    if (how == HOW_BEFORE)
        die();
    return 1;
}

#define REAL(type, name) ((type)(uintptr_t)dlsym(RTLD_NEXT, name))

static int end_of_call(int strike, int result)
{
    if (strike && how == HOW_AFTER)
        die();
    return result;
}

#define FLUSH_AS(name)                                                                             \
    int name(int fd)                                                                               \
    {                                                                                              \
        int strike = strikes(SET_FLUSH, fd);                                                       \
        if (strike && how != HOW_AFTER) {                                                          \
            errno = error_number;                                                                  \
            return -1;                                                                             \
        }                                                                                          \
        return end_of_call(strike, REAL(int (*)(int), #name)(fd));                                 \
    }
FLUSH_AS(fsync)
FLUSH_AS(fdatasync)

#define PWRITE_AS(name)                                                                            \
    ssize_t name(int fd, const void *bytes, size_t length, off_t to)                               \
    {                                                                                              \
        ssize_t (*real)(int, const void *, size_t, off_t) =                                        \
            REAL(ssize_t(*)(int, const void *, size_t, off_t), #name);                             \
        int strike = strikes(SET_WRITE, fd);                                                       \
        if (strike && (how == HOW_SHORT || how == HOW_HALVES))                                     \
            return real(fd, bytes, length > 1 ? length / 2 : length, to);                          \
        if (strike && how != HOW_AFTER) {                                                          \
            errno = error_number;                                                                  \
            return -1;                                                                             \
        }                                                                                          \
        ssize_t done = real(fd, bytes, length, to);                                                \
        end_of_call(strike, 0);                                                                    \
        return done;                                                                               \
    }
PWRITE_AS(pwrite)
PWRITE_AS(pwrite64)

#define PREAD_AS(name)                                                                             \
    ssize_t name(int fd, void *bytes, size_t length, off_t from_there)                             \
    {                                                                                              \
        ssize_t (*real)(int, void *, size_t, off_t) =                                              \
            REAL(ssize_t(*)(int, void *, size_t, off_t), #name);                                   \
        if (strikes(SET_READ, fd)) {                                                               \
            errno = error_number;                                                                  \
            return -1;                                                                             \
        }                                                                                          \
        return real(fd, bytes, length, from_there);                                                \
    }
PREAD_AS(pread)
PREAD_AS(pread64)

#define FTRUNCATE_AS(name)                                                                         \
    int name(int fd, off_t size)                                                                   \
    {                                                                                              \
        int strike = strikes(SET_IO, fd);                                                          \
        if (strike && how != HOW_AFTER) {                                                          \
            errno = error_number;                                                                  \
            return -1;                                                                             \
        }                                                                                          \
        return end_of_call(strike, REAL(int (*)(int, off_t), #name)(fd, size));                    \
    }
FTRUNCATE_AS(ftruncate)
FTRUNCATE_AS(ftruncate64)

#define OPEN_AS(name)                                                                              \
    int name(const char *path, int flags, ...);                                                    \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;                                  \
        va_end(more);                                                                              \
        int counts = set == SET_IO && folder && strncmp(path, folder, strlen(folder)) == 0;        \
        if (counts && is_it(SET_IO)) {                                                             \
            if (how == HOW_BEFORE || how == HOW_AFTER)                                             \
                die();                                                                             \
            errno = error_number;                                                                  \
            return -1;                                                                             \
        }                                                                                          \
        return REAL(int (*)(const char *, int, ...), #name)(path, flags, mode);                    \
    }
OPEN_AS(open)
OPEN_AS(open64)

/* ---- memory: glibc's own names, so that finding the real ones allocates nothing ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *from_at, size_t size);

static int starves(void)
{
    if (set != SET_MEMORY || !is_it(SET_MEMORY))
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return starves() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return starves() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *former, size_t size)
{
    return starves() ? NULL : __libc_realloc(former, size);
}
