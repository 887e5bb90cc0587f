/* record: a library for LD_PRELOAD that writes down what a process does to the files of one folder,
 * and what it sends on sockets meanwhile, in one order.
 *
 *   RECORD_FOLDER=/path RECORD_LOG=/path/log LD_PRELOAD=librecord.so siotd ...
 *
 * powercut reads the log and builds the disks that a power cut could have left. Files outside the
 * folder and everything read are of no interest. Invariant: a record is in the log before the
 * caller learns that the call is done; of two calls, the one that was done first has the earlier
 * record when one thread could have known of the other's: flushes are recorded after they are done,
 * writes to files after, sends before. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILES = 4096, PATH = 512 };

enum kind { OPENED = 1, WROTE, CUT, FLUSHED, REMOVED, RENAMED, SENT };

/* One record, followed by `length` bytes. */
struct head {
    uint32_t kind, length;
    uint64_t fd, offset;
};

static char names[FILES][PATH]; /* by descriptor; empty: not ours */
static char folder[PATH];
static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void)
{
    const char *where = getenv("RECORD_FOLDER"), *log = getenv("RECORD_LOG");
    if (!where || !log || strlen(where) >= PATH - 1)
        return;
    strcpy(folder, where);
    log_fd =
        (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

static void put(const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length) {
        ssize_t done = syscall(SYS_write, log_fd, at, length);
        if (done < 0 && errno != EINTR)
            abort();
        if (done > 0) {
            at += done;
            length -= (size_t)done;
        }
    }
}

static void record(enum kind kind, int fd, uint64_t offset, const struct iovec *parts, int count,
                   size_t length)
{
    struct head head = {(uint32_t)kind, (uint32_t)length, (uint64_t)fd, offset};
    int kept = errno;
    pthread_mutex_lock(&lock);
    put(&head, sizeof(head));
    for (int i = 0; i < count && length; i++) {
        size_t part = parts[i].iov_len < length ? parts[i].iov_len : length;
        put(parts[i].iov_base, part);
        length -= part;
    }
    pthread_mutex_unlock(&lock);
    errno = kept;
}

static void record_text(enum kind kind, int fd, uint64_t offset, const char *text)
{
    struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    record(kind, fd, offset, &part, 1, part.iov_len);
}

static int is_ours(int fd)
{
    return log_fd >= 0 && fd >= 0 && fd < FILES && names[fd][0];
}

static int is_inside(const char *path)
{
    size_t length = strlen(folder);
    return log_fd >= 0 && strncmp(path, folder, length) == 0 &&
           (path[length] == '/' || path[length] == 0);
}

/* ---- opening ---- */

static int opened(int fd, const char *path, int flags)
{
    if (fd < 0 || fd >= FILES)
        return fd;
    names[fd][0] = 0;
    if (!is_inside(path) || strlen(path) >= PATH)
        return fd;
    strcpy(names[fd], path);
    record_text(OPENED, fd, (uint64_t)flags, path);
    return fd;
}

static mode_t mode_of(int flags, va_list more)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
}

#define OPEN_AS(name)                                                                              \
    int name(const char *path, int flags, ...);                                                    \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        static int (*real)(const char *, int, ...);                                                \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        mode_t mode = mode_of(flags, more);                                                        \
        va_end(more);                                                                              \
        if (!real)                                                                                 \
            real = (int (*)(const char *, int, ...))(uintptr_t)next(#name);                        \
        return opened(real(path, flags, mode), path, flags);                                       \
    }
OPEN_AS(open)
OPEN_AS(open64)

/* Paths relative to a descriptor of the folder are made whole. */
static int opened_at(int fd, int at, const char *path, int flags)
{
    char whole[2 * PATH];
    if (path[0] == '/' || !is_ours(at))
        return opened(fd, path, flags);
    snprintf(whole, sizeof(whole), "%s/%s", names[at], path);
    return opened(fd, whole, flags);
}

#define OPENAT_AS(name)                                                                            \
    int name(int at, const char *path, int flags, ...);                                            \
    int name(int at, const char *path, int flags, ...)                                             \
    {                                                                                              \
        static int (*real)(int, const char *, int, ...);                                           \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        mode_t mode = mode_of(flags, more);                                                        \
        va_end(more);                                                                              \
        if (!real)                                                                                 \
            real = (int (*)(int, const char *, int, ...))(uintptr_t)next(#name);                   \
        return opened_at(real(at, path, flags, mode), at, path, flags);                            \
    }
OPENAT_AS(openat)
OPENAT_AS(openat64)

int close(int fd)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))(uintptr_t)next("close");
    if (fd >= 0 && fd < FILES)
        names[fd][0] = 0;
    return real(fd);
}

/* ---- writing ---- */

static ssize_t wrote(int fd, uint64_t offset, const struct iovec *parts, int count, ssize_t done)
{
    if (done > 0)
        record(WROTE, fd, offset, parts, count, (size_t)done);
    return done;
}

static uint64_t position(int fd)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    return at < 0 ? 0 : (uint64_t)at;
}

/* What leaves on a socket is written down before it leaves. */
static void sends(int fd, const struct iovec *parts, int count)
{
    struct stat about;
    size_t length = 0;
    if (log_fd < 0 || fd < 0 || fstat(fd, &about) != 0 || !S_ISSOCK(about.st_mode))
        return;
    for (int i = 0; i < count; i++)
        length += parts[i].iov_len;
    record(SENT, fd, 0, parts, count, length);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    static ssize_t (*real)(int, const void *, size_t);
    struct iovec part = {(void *)(uintptr_t)bytes, length};
    if (!real)
        real = (ssize_t(*)(int, const void *, size_t))(uintptr_t)next("write");
    if (!is_ours(fd)) {
        sends(fd, &part, 1);
        return real(fd, bytes, length);
    }
    uint64_t at = position(fd);
    return wrote(fd, at, &part, 1, real(fd, bytes, length));
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    static ssize_t (*real)(int, const struct iovec *, int);
    if (!real)
        real = (ssize_t(*)(int, const struct iovec *, int))(uintptr_t)next("writev");
    if (!is_ours(fd)) {
        sends(fd, parts, count);
        return real(fd, parts, count);
    }
    uint64_t at = position(fd);
    return wrote(fd, at, parts, count, real(fd, parts, count));
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
    static ssize_t (*real)(int, const void *, size_t, int);
    struct iovec part = {(void *)(uintptr_t)bytes, length};
    if (!real)
        real = (ssize_t(*)(int, const void *, size_t, int))(uintptr_t)next("send");
    sends(fd, &part, 1);
    return real(fd, bytes, length, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    static ssize_t (*real)(int, const struct msghdr *, int);
    if (!real)
        real = (ssize_t(*)(int, const struct msghdr *, int))(uintptr_t)next("sendmsg");
    sends(fd, message->msg_iov, (int)message->msg_iovlen);
    return real(fd, message, flags);
}

#define PWRITE_AS(name)                                                                            \
    ssize_t name(int fd, const void *bytes, size_t length, off_t at)                               \
    {                                                                                              \
        static ssize_t (*real)(int, const void *, size_t, off_t);                                  \
        struct iovec part = {(void *)(uintptr_t)bytes, length};                                    \
        if (!real)                                                                                 \
            real = (ssize_t(*)(int, const void *, size_t, off_t))(uintptr_t)next(#name);           \
        ssize_t done = real(fd, bytes, length, at);                                                \
        return is_ours(fd) ? wrote(fd, (uint64_t)at, &part, 1, done) : done;                       \
    }
PWRITE_AS(pwrite)
PWRITE_AS(pwrite64)

#define PWRITEV_AS(name)                                                                           \
    ssize_t name(int fd, const struct iovec *parts, int count, off_t at)                           \
    {                                                                                              \
        static ssize_t (*real)(int, const struct iovec *, int, off_t);                             \
        if (!real)                                                                                 \
            real = (ssize_t(*)(int, const struct iovec *, int, off_t))(uintptr_t)next(#name);      \
        ssize_t done = real(fd, parts, count, at);                                                 \
        return is_ours(fd) ? wrote(fd, (uint64_t)at, parts, count, done) : done;                   \
    }
PWRITEV_AS(pwritev)
PWRITEV_AS(pwritev64)

#define FTRUNCATE_AS(name)                                                                         \
    int name(int fd, off_t size)                                                                   \
    {                                                                                              \
        static int (*real)(int, off_t);                                                            \
        if (!real)                                                                                 \
            real = (int (*)(int, off_t))(uintptr_t)next(#name);                                    \
        int result = real(fd, size);                                                               \
        if (result == 0 && is_ours(fd))                                                            \
            record(CUT, fd, (uint64_t)size, NULL, 0, 0);                                           \
        return result;                                                                             \
    }
FTRUNCATE_AS(ftruncate)
FTRUNCATE_AS(ftruncate64)

#define FLUSH_AS(name)                                                                             \
    int name(int fd)                                                                               \
    {                                                                                              \
        static int (*real)(int);                                                                   \
        if (!real)                                                                                 \
            real = (int (*)(int))(uintptr_t)next(#name);                                           \
        int result = real(fd);                                                                     \
        if (result == 0 && is_ours(fd))                                                            \
            record(FLUSHED, fd, 0, NULL, 0, 0);                                                    \
        return result;                                                                             \
    }
FLUSH_AS(fsync)
FLUSH_AS(fdatasync)

/* ---- names ---- */

int unlink(const char *path)
{
    static int (*real)(const char *);
    if (!real)
        real = (int (*)(const char *))(uintptr_t)next("unlink");
    int result = real(path);
    if (result == 0 && is_inside(path))
        record_text(REMOVED, 0, 0, path);
    return result;
}

int rename(const char *from, const char *to)
{
    static int (*real)(const char *, const char *);
    char both[2 * PATH];
    if (!real)
        real = (int (*)(const char *, const char *))(uintptr_t)next("rename");
    int result = real(from, to);
    if (result == 0 && is_inside(to)) {
        snprintf(both, sizeof(both), "%s\n%s", from, to);
        record_text(RENAMED, 0, 0, both);
    }
    return result;
}
