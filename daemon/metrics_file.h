/* metrics_file: a text that others read as a file, always whole: written beside it and then moved
 * to its place, by a worker thread, so that a slow disk is no concern of the loop.
 *
 * Knows nothing of what the text says. All functions are for the loop's thread. */
#ifndef SIOTD_DAEMON_METRICS_FILE_H
#define SIOTD_DAEMON_METRICS_FILE_H

#include "base/buffer.h"
#include <stdbool.h>
#include <uv.h>

struct writing;

struct metrics_file {
    uv_loop_t *loop;           /* borrowed */
    const char *path;          /* where it is to be; borrowed; NULL: nowhere */
    bool written;              /* one is there */
    struct writing *under_way; /* on the worker thread; or NULL */
    bool failing;              /* it could not be written, and the log has said so */
};

/* Whether a file could be made there: its folder is one, and ours to write to, and what is there
 * already is figures of siotd's (else EEXIST): nothing of anybody else is replaced. 0 or -errno;
 * for the start, a reload and -t. Nothing is made. */
int metrics_file_check(const char *path);

/* It is to be at `path`, or nowhere (NULL). Nothing is written yet. Both are borrowed, until
 * metrics_file_close or, of the path, metrics_file_move. */
void metrics_file_open(struct metrics_file *file, uv_loop_t *loop, const char *path);

/* From now on it is to be there (as with metrics_file_open; the former path is needed a last time):
 * what was written elsewhere is removed. */
void metrics_file_move(struct metrics_file *file, const char *path);

/* Begins to write it, with mode 0640; takes `text` over and leaves it empty. Dropped when the last
 * one is still being written, or when it is to be nowhere. What fails is logged once, until it
 * works again. */
void metrics_file_write(struct metrics_file *file, struct buffer *text);

/* Removes what was written. What is under way comes to its end while the loop is run for the last
 * time (loop_free), for which `file` must stay. Harmless when never opened. */
void metrics_file_close(struct metrics_file *file);

#endif
