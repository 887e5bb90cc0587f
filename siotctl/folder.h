/* folder: files of a folder that are either all there or not at all.
 *
 * What is written reaches the disk under a name of its own before it gets the name that is meant,
 * so that a reader, or a machine that loses power, sees the old file or the new one. */
#ifndef SIOTD_SIOTCTL_FOLDER_H
#define SIOTD_SIOTCTL_FOLDER_H

#include "base/slice.h"
#include <sys/stat.h>

enum { FOLDER_FILE_LEN_MAX = 64 << 20 };

struct folder {
    int fd; /* -1: closed */
};

/* Opens a folder and waits until no other siotctl works in it. 0 or -errno. */
int folder_open(struct folder *folder, const char *path);

/* Makes a folder, for its owner only, unless there is one; then opens it. 0 or -errno. */
int folder_make(struct folder *folder, const char *path);

/* Lets the next siotctl in. */
void folder_close(struct folder *folder);

/* Whether there is anything of that name, a dangling link included. */
bool folder_has(const struct folder *folder, const char *name);

/* A file's bytes, with a NUL behind them that is not counted; the caller frees them. 0 or -errno,
 * -EFBIG above FOLDER_FILE_LEN_MAX. */
int folder_read(const struct folder *folder, const char *name, uint8_t **bytes, size_t *len);

/* Writes a new file, 0600. 0 or -errno, -EEXIST when the name is taken: nothing is ever
 * overwritten by this one. */
int folder_write_new(const struct folder *folder, const char *name, struct slice bytes);

/* Writes a file, in place of one of that name if there is one, whose owner and mode it takes over
 * when `like` is given; else 0600. 0 or -errno. */
int folder_replace(const struct folder *folder, const char *name, struct slice bytes,
                   const struct stat *like);

/* Moves a file to another name, of the same folder or of one below it, that must be free. 0 or
 * -errno. */
int folder_move(const struct folder *folder, const char *from, const char *to);

#endif
