/* metrics_file: see metrics_file.h. Beside the way of a message.
 *
 * Invariants: one write at a time; what stays behind is at `path` or nowhere. Nothing is flushed:
 * figures that a power cut has taken are worth nothing. */
#include "daemon/metrics_file.h"

#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODE = 0640 };

/* What the worker thread has to itself. */
struct writing {
    uv_work_t work;
    struct metrics_file *file;
    struct buffer text;
    int error;
    size_t path_size; /* with its NUL */
    char path[];      /* and behind it the one that is written first */
};

static const char suffix[] = ".new";

/* ---- on the worker thread ---- */

static int write_all(int fd, struct slice text)
{
    while (text.len > 0) {
        ssize_t written = write(fd, text.at, text.len);
        if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0)
            text = slice_from(text, (size_t)written);
    }
    return 0;
}

/* A file that nobody else has made, whatever stood there. */
static int make(const char *path, struct slice text)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
    if (fd < 0)
        return -errno;
    int error = fchmod(fd, MODE) == 0 ? 0 : -errno; /* whatever the umask is */
    if (!error)
        error = write_all(fd, text);
    if (close(fd) != 0 && !error)
        error = -errno;
    return error;
}

static void write_file(uv_work_t *work)
{
    struct writing *writing = work->data;
    const char *beside = writing->path + writing->path_size;
    writing->error = make(beside, buffer_slice(&writing->text));
    if (!writing->error && rename(beside, writing->path) != 0)
        writing->error = -errno;
    if (writing->error)
        unlink(beside);
}

/* ---- on the loop's thread ---- */

static void note_outcome(struct metrics_file *file, int error)
{
    if (error && !file->failing)
        log_line(LOG_ERROR, "siotd",
                 "metrics_file: %s: %s; siotd goes on, and tries again each time", file->path,
                 strerror(-error));
    if (!error && file->failing)
        log_line(LOG_INFO, "siotd", "metrics_file: %s is written again", file->path);
    file->failing = error != 0;
}

static bool same(const char *one, const char *other)
{
    return one && other && strcmp(one, other) == 0;
}

static void on_written(uv_work_t *work, int status)
{
    struct writing *writing = work->data;
    struct metrics_file *file = writing->file;
    (void)status; /* never cancelled */
    file->under_way = NULL;
    if (same(writing->path, file->path)) {
        note_outcome(file, writing->error);
        file->written = file->written || !writing->error;
    } else if (!writing->error) {
        unlink(writing->path); /* meanwhile it is to be elsewhere */
    }
    buffer_clear(&writing->text);
    free(writing);
}

/* Whatever is there is replaced, and removed at the end: that must be figures, or what a power cut
 * has left of them (nothing, or zeros). 0, or -errno. */
static int check_former(const char *path)
{
    static const char head[] = "# HELP siotd_";
    char start[sizeof(head) - 1];
    struct stat status;
    if (lstat(path, &status) != 0)
        return 0; /* what else that means, the folder says */
    if (S_ISDIR(status.st_mode))
        return -EISDIR;
    int fd = S_ISREG(status.st_mode) ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd < 0)
        return S_ISREG(status.st_mode) ? -errno : -EEXIST;
    ssize_t len = read(fd, start, sizeof(start));
    int error = len < 0 ? -errno : 0;
    close(fd);
    if (len <= 0 || start[0] == 0)
        return error;
    return (size_t)len == sizeof(start) && memcmp(start, head, sizeof(start)) == 0 ? 0 : -EEXIST;
}

int metrics_file_check(const char *path)
{
    char folder[4200];
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) + 1 : 0;
    int error = check_former(path);
    if (error)
        return error;
    snprintf(folder, sizeof(folder), "%.*s", length ? length : 1, length ? path : ".");
    return access(folder, W_OK | X_OK) == 0 ? 0 : -errno;
}

void metrics_file_open(struct metrics_file *file, uv_loop_t *loop, const char *path)
{
    *file = (struct metrics_file){.loop = loop, .path = path};
}

void metrics_file_move(struct metrics_file *file, const char *path)
{
    if (!same(file->path, path)) {
        if (file->written)
            unlink(file->path);
        file->written = file->failing = false;
    }
    file->path = path;
}

void metrics_file_write(struct metrics_file *file, struct buffer *text)
{
    size_t size = file->path ? strlen(file->path) + 1 : 0;
    struct writing *writing = NULL;
    if (file->path && !file->under_way)
        writing = malloc(sizeof(*writing) + 2 * size + sizeof(suffix));
    if (!writing) {
        buffer_clear(text);
        return;
    }
    *writing = (struct writing){.file = file, .text = *text, .path_size = size};
    *text = (struct buffer){0};
    memcpy(writing->path, file->path, size);
    snprintf(writing->path + size, size + sizeof(suffix), "%s%s", file->path, suffix);
    writing->work.data = writing;
    file->under_way = writing;
    uv_queue_work(file->loop, &writing->work, write_file, on_written); /* fails without work only */
}

void metrics_file_close(struct metrics_file *file)
{
    metrics_file_move(file, NULL);
}
