/* credentials_file: see credentials_file.h. Stands beside the way of a message: it is used at start
 * and at reload. */
#include "transports/credentials_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20 };

static int look(int fd, struct stat *status)
{
    if (fstat(fd, status) != 0)
        return -errno;
    if (!S_ISREG(status->st_mode) || status->st_size == 0 || status->st_size > FILE_MAX)
        return -EINVAL;
    return 0;
}

static int read_all(int fd, struct credentials_file *file, size_t size)
{
    file->at = malloc(size + 1);
    if (!file->at)
        return -ENOMEM;
    while (file->len < size) {
        ssize_t got = read(fd, file->at + file->len, size - file->len);
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got == 0)
            return -EIO; /* it has just been cut short: half a file is none */
        if (got > 0)
            file->len += (size_t)got;
    }
    file->at[size] = '\0';
    return 0;
}

int credentials_file_read(const char *path, struct credentials_file *file, char *why,
                          size_t why_size)
{
    struct stat status;
    *file = (struct credentials_file){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int error = fd < 0 ? -errno : look(fd, &status);
    if (!error)
        error = read_all(fd, file, (size_t)status.st_size);
    if (fd >= 0)
        close(fd);
    if (error) {
        credentials_file_clear(file);
        snprintf(why, why_size, "%s: %s", path,
                 error == -EINVAL ? "is empty, above 1 MiB or no regular file" : strerror(-error));
        return error;
    }
    file->loose = status.st_mode & (S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH);
    return 0;
}

void credentials_file_clear(struct credentials_file *file)
{
    if (file->at)
        explicit_bzero(file->at, file->len);
    free(file->at);
    *file = (struct credentials_file){0};
}
