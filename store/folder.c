/* folder: see folder.h. The only file here, besides SQLite, that touches the file system. */
#include "store/folder.h"

#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MODE = 0600, FOLDER_MODE = 0700, LONGEST_NAME = 64 };

#define LOCK_NAME      "siotd.lock"
#define LOG_SUFFIX     "-wal"
#define INDEX_SUFFIX   "-shm"
#define JOURNAL_SUFFIX "-journal" /* only while a database is made a logged one */

const char *folder_file(const struct folder *folder, const char *name, char to[PATH_MAX])
{
    /* folder_open has seen to it that every name fits. */
    size_t length = strlen(folder->path);
    memcpy(to, folder->path, length);
    snprintf(to + length, PATH_MAX - length, "/%s", name);
    return to;
}

uint64_t folder_file_size(const struct folder *folder, const char *name)
{
    char path[PATH_MAX];
    struct stat status;
    return lstat(folder_file(folder, name, path), &status) == 0 ? (uint64_t)status.st_size : 0;
}

static bool exists(const struct folder *folder, const char *name)
{
    char path[PATH_MAX];
    struct stat status;
    return lstat(folder_file(folder, name, path), &status) == 0;
}

/* A name is on the disk only when its folder has been flushed. */
static int flush_folder(const char *path)
{
    int opened = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0)
        return -errno;
    int error = fsync(opened) < 0 ? -errno : 0;
    close(opened);
    return error;
}

int folder_flush(const struct folder *folder, char *why, size_t why_size)
{
    int error = flush_folder(folder->path);
    if (error)
        snprintf(why, why_size, "%s: cannot be flushed: %s", folder->path, strerror(-error));
    return error;
}

static int flush_parent(const char *path)
{
    char parent[PATH_MAX];
    snprintf(parent, sizeof(parent), "%s", path);
    char *slash = strrchr(parent, '/');
    if (!slash)
        return flush_folder(".");
    slash[slash == parent] = '\0';
    return flush_folder(parent);
}

/* ---- who may touch it ---- */

static bool is_trusted(uid_t owner)
{
    return owner == geteuid() || owner == 0 || geteuid() == 0;
}

static int make_folder(const char *path, char *why, size_t why_size)
{
    if (mkdir(path, FOLDER_MODE) < 0) {
        if (errno == EEXIST)
            return 0;
        int error = -errno;
        snprintf(why, why_size, "%s: cannot be made: %s", path, strerror(-error));
        return error;
    }
    int error = flush_parent(path);
    if (error)
        snprintf(why, why_size, "%s: its parent cannot be flushed: %s", path, strerror(-error));
    return error;
}

static int check_folder(const char *path, char *why, size_t why_size)
{
    struct stat status;
    if (stat(path, &status) < 0) {
        int error = -errno;
        snprintf(why, why_size, "%s: %s", path, strerror(-error));
        return error;
    }
    if (!S_ISDIR(status.st_mode)) {
        snprintf(why, why_size, "%s: is no folder", path);
        return -ENOTDIR;
    }
    if (status.st_mode & (S_IWGRP | S_IWOTH)) {
        snprintf(why, why_size, "%s: others may write to it (mode %04o); make it 0700", path,
                 (unsigned)status.st_mode & 07777);
        return -EPERM;
    }
    if (!is_trusted(status.st_uid)) {
        snprintf(why, why_size, "%s: belongs to user %u, siotd runs as %u", path,
                 (unsigned)status.st_uid, (unsigned)geteuid());
        return -EPERM;
    }
    return 0;
}

/* An opened file that is ours alone: a plain one, with one name, and not for others to read. */
static int own_file(int opened, const char *path, char *why, size_t why_size)
{
    struct stat status;
    if (fstat(opened, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode) || status.st_nlink != 1 || !is_trusted(status.st_uid)) {
        snprintf(why, why_size, "%s: is no plain file of ours alone", path);
        return -EPERM;
    }
    if ((status.st_mode & 07777) != FILE_MODE && fchmod(opened, FILE_MODE) < 0) {
        int error = -errno;
        snprintf(why, why_size, "%s: cannot be made 0600: %s", path, strerror(-error));
        return error;
    }
    return 0;
}

/* Opens a file of the folder as ours; *made says whether it is new. -ENOENT when it is not there
 * and need not be. */
static int open_file(const struct folder *folder, const char *name, int flags, char *why,
                     size_t why_size)
{
    char path[PATH_MAX];
    int opened =
        open(folder_file(folder, name, path), flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (opened < 0) {
        int error = -errno;
        if (error != -ENOENT)
            snprintf(why, why_size, "%s: %s", path, strerror(-error));
        return error;
    }
    int error = own_file(opened, path, why, why_size);
    if (error) {
        close(opened);
        return error;
    }
    return opened;
}

/* The database, and what SQLite keeps beside it, when there is any. */
static int own_database(const struct folder *folder, char *why, size_t why_size)
{
    static const char *const names[] = {FOLDER_DATABASE, FOLDER_DATABASE LOG_SUFFIX,
                                        FOLDER_DATABASE INDEX_SUFFIX,
                                        FOLDER_DATABASE JOURNAL_SUFFIX};
    bool made = !exists(folder, FOLDER_DATABASE);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int opened = open_file(folder, names[i], i == 0 ? O_CREAT : 0, why, why_size);
        if (opened == -ENOENT && i > 0)
            continue;
        if (opened < 0)
            return opened;
        close(opened);
    }
    return made ? folder_flush(folder, why, why_size) : 0;
}

static int lock_folder(struct folder *folder, char *why, size_t why_size)
{
    int opened = open_file(folder, LOCK_NAME, O_CREAT, why, why_size);
    if (opened < 0)
        return opened;
    if (flock(opened, LOCK_EX | LOCK_NB) < 0) {
        int error = errno == EWOULDBLOCK ? -EBUSY : -errno;
        snprintf(why, why_size,
                 error == -EBUSY ? "%s: already in use by another siotd" : "%s: cannot be locked",
                 folder->path);
        close(opened);
        return error;
    }
    folder->lock = opened;
    return 0;
}

/* ---- replacing ---- */

static int rename_file(const struct folder *folder, const char *from, const char *to)
{
    char old_path[PATH_MAX], new_path[PATH_MAX];
    folder_file(folder, from, old_path);
    folder_file(folder, to, new_path);
    return rename(old_path, new_path) < 0 ? -errno : 0;
}

static int remove_file(const struct folder *folder, const char *name)
{
    char path[PATH_MAX];
    return unlink(folder_file(folder, name, path)) < 0 && errno != ENOENT ? -errno : 0;
}

/* A name that nothing has yet. */
static void name_aside(const struct folder *folder, int64_t now_s, char name[LONGEST_NAME])
{
    time_t now = now_s;
    struct tm utc;
    char stamp[32];
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &utc);
    snprintf(name, LONGEST_NAME, FOLDER_DATABASE ".damaged-%s", stamp);
    for (unsigned i = 2; exists(folder, name) && i < 1000; i++)
        snprintf(name, LONGEST_NAME, FOLDER_DATABASE ".damaged-%s.%u", stamp, i);
}

static int set_aside(const struct folder *folder, const char *suffix, const char *aside)
{
    char from[LONGEST_NAME], to[LONGEST_NAME + 16];
    snprintf(from, sizeof(from), FOLDER_DATABASE "%s", suffix);
    snprintf(to, sizeof(to), "%s%s", aside, suffix);
    return exists(folder, from) ? rename_file(folder, from, to) : 0;
}

/* From here on siotd.db.new is siotd.db; a log that is still there belonged to the old one. */
static int finish_replacement(const struct folder *folder, const char *aside)
{
    int error = remove_file(folder, FOLDER_DATABASE INDEX_SUFFIX);
    if (!error)
        error = set_aside(folder, LOG_SUFFIX, aside);
    if (!error)
        error = set_aside(folder, JOURNAL_SUFFIX, aside);
    if (!error)
        error = rename_file(folder, FOLDER_NEW, FOLDER_DATABASE);
    return error ? error : flush_folder(folder->path);
}

int folder_replace(const struct folder *folder, int64_t now_s, char aside[PATH_MAX])
{
    char name[LONGEST_NAME];
    name_aside(folder, now_s, name);
    int error = flush_folder(folder->path); /* the new one must have its name first */
    if (!error)
        error = rename_file(folder, FOLDER_DATABASE, name);
    if (!error)
        error = flush_folder(folder->path);
    if (!error)
        error = finish_replacement(folder, name);
    folder_file(folder, name, aside);
    return error;
}

static int remove_new(const struct folder *folder)
{
    static const char *const rests[] = {FOLDER_NEW, FOLDER_NEW LOG_SUFFIX, FOLDER_NEW INDEX_SUFFIX};
    int error = 0;
    for (size_t i = 0; i < sizeof(rests) / sizeof(rests[0]) && !error; i++)
        error = remove_file(folder, rests[i]);
    return error;
}

int folder_make_new(const struct folder *folder)
{
    char why[256]; /* a file that has just been made is ours */
    int error = remove_new(folder);
    if (error)
        return error;
    int opened = open_file(folder, FOLDER_NEW, O_CREAT | O_EXCL, why, sizeof(why));
    if (opened < 0)
        return opened;
    close(opened);
    return 0;
}

/* The machine may have stopped inside folder_replace, or before it: then the new one is not whole.
 */
static int resume_replacement(const struct folder *folder, char *why, size_t why_size)
{
    char name[LONGEST_NAME];
    if (exists(folder, FOLDER_DATABASE))
        return remove_new(folder);
    if (!exists(folder, FOLDER_NEW))
        return 0;
    name_aside(folder, (int64_t)time(NULL), name);
    log_line(LOG_WARNING, "store", "a salvaged database takes its place in %s", folder->path);
    int error = finish_replacement(folder, name);
    if (error)
        snprintf(why, why_size, "%s: a salvaged database cannot take its place: %s", folder->path,
                 strerror(-error));
    return error;
}

/* ---- opening ---- */

int folder_open(struct folder *folder, const char *path, char *why, size_t why_size)
{
    folder->lock = -1;
    if (path[0] == '\0' || strlen(path) + LONGEST_NAME + 8 > PATH_MAX) {
        snprintf(why, why_size, "%.64s: no usable path", path);
        return -ENAMETOOLONG;
    }
    snprintf(folder->path, sizeof(folder->path), "%s", path);
    int error = make_folder(path, why, why_size);
    if (!error)
        error = check_folder(path, why, why_size);
    if (!error)
        error = lock_folder(folder, why, why_size);
    if (!error)
        error = resume_replacement(folder, why, why_size);
    if (!error)
        error = own_database(folder, why, why_size);
    if (error)
        folder_close(folder);
    return error;
}

void folder_close(struct folder *folder)
{
    if (folder->lock >= 0)
        close(folder->lock);
    folder->lock = -1;
}
