/* folder: files of a folder that are either all there or not at all. */
#include "siotctl/folder.h"

#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

int folder_open(struct folder *folder, const char *path)
{
    folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->fd < 0)
        return -errno;
    while (flock(folder->fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            int failed = -errno;
            folder_close(folder);
            return failed;
        }
    }
    return 0;
}

int folder_make(struct folder *folder, const char *path)
{
    folder->fd = -1;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return -errno;
    return folder_open(folder, path);
}

void folder_close(struct folder *folder)
{
    if (folder->fd >= 0)
        close(folder->fd);
    folder->fd = -1;
}

bool folder_has(const struct folder *folder, const char *name)
{
    struct stat found;
    return fstatat(folder->fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Reads until the end, whatever length the file said it had. */
static int read_all(int fd, uint8_t **bytes, size_t *len)
{
    size_t room = 4096, done = 0;
    uint8_t *to = malloc(room + 1);
    while (to) {
        ssize_t n = read(fd, to + done, room - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int failed = n < 0 ? -errno : 0;
            to[done] = '\0';
            if (failed)
                free(to);
            *bytes = to;
            *len = done;
            return failed;
        }
        done += (size_t)n;
        if (done == room) {
            if (room >= FOLDER_FILE_LEN_MAX) {
                free(to);
                return -EFBIG;
            }
            room *= 2;
            uint8_t *more = malloc(room + 1); /* no realloc: it would leave a copy of a key */
            if (more)
                memcpy(more, to, done);
            explicit_bzero(to, done);
            free(to);
            to = more;
        }
    }
    return -ENOMEM;
}

int folder_read(const struct folder *folder, const char *name, uint8_t **bytes, size_t *len)
{
    int fd = openat(folder->fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int failed = read_all(fd, bytes, len);
    close(fd);
    return failed;
}

static int write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.at, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes = slice_from(bytes, (size_t)n);
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

/* Writes the bytes to a new file of a name that nobody else has. */
static int write_aside(const struct folder *folder, struct slice bytes, const struct stat *like,
                       char name[40])
{
    snprintf(name, 40, ".siotctl-%016llx", (unsigned long long)random_u64());
    int fd = openat(folder->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int failed = 0;
    if (like && (like->st_uid != geteuid() || like->st_gid != getegid()) &&
        fchown(fd, like->st_uid, like->st_gid) != 0)
        failed = -errno;
    if (!failed && fchmod(fd, like ? like->st_mode & 0660 : 0600) != 0)
        failed = -errno;
    if (!failed)
        failed = write_all(fd, bytes);
    if (close(fd) != 0 && !failed)
        failed = -errno;
    if (failed)
        unlinkat(folder->fd, name, 0);
    return failed;
}

int folder_write_new(const struct folder *folder, const char *name, struct slice bytes)
{
    char aside[40];
    int failed = write_aside(folder, bytes, NULL, aside);
    if (failed)
        return failed;
    if (linkat(folder->fd, aside, folder->fd, name, 0) != 0)
        failed = -errno;
    unlinkat(folder->fd, aside, 0);
    if (!failed && fsync(folder->fd) != 0)
        failed = -errno;
    return failed;
}

int folder_replace(const struct folder *folder, const char *name, struct slice bytes,
                   const struct stat *like)
{
    char aside[40];
    int failed = write_aside(folder, bytes, like, aside);
    if (failed)
        return failed;
    if (renameat(folder->fd, aside, folder->fd, name) != 0) {
        failed = -errno;
        unlinkat(folder->fd, aside, 0);
        return failed;
    }
    return fsync(folder->fd) == 0 ? 0 : -errno;
}

int folder_move(const struct folder *folder, const char *from, const char *to)
{
    if (renameat2(folder->fd, from, folder->fd, to, RENAME_NOREPLACE) != 0)
        return -errno;
    return fsync(folder->fd) == 0 ? 0 : -errno;
}
