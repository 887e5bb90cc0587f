/* folder: data_dir and the names in it, as the file system sees them.
 *
 *   siotd.db  siotd.db-wal  siotd.db-shm     the database, its log, the log's index: 0600
 *   siotd.lock                               locked by the siotd that uses the folder
 *   siotd.db.new  siotd.db.graft             a database that is being salvaged; see graft.h
 *   siotd.db.damaged-20261121T101500Z[-wal]  a damaged one that was set aside
 *
 * A database is replaced so that whenever the machine stops, the next start finds either the old
 * one or the new one: the new one is complete and flushed before the old one's name is taken away,
 * and where only the new one is left, folder_open gives it its name. */
#ifndef SIOTD_STORE_FOLDER_H
#define SIOTD_STORE_FOLDER_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#define FOLDER_DATABASE "siotd.db"
#define FOLDER_LOG      FOLDER_DATABASE "-wal"
#define FOLDER_NEW      "siotd.db.new"

struct folder {
    char path[PATH_MAX];
    int lock; /* descriptor; -1: not locked */
};

/* Makes the folder when it is missing (0700, its parent must be there), checks that nobody but its
 * owner and we may write to it, locks it, finishes a replacement that was interrupted, sees to it
 * that there is a siotd.db and that only its owner can read it. 0, or a negative errno with a
 * sentence in `why` and nothing changed. */
int folder_open(struct folder *folder, const char *path, char *why, size_t why_size);

/* Unlocks. */
void folder_close(struct folder *folder);

/* Flushes the names in it. 0, or a negative errno with a sentence in `why`. */
int folder_flush(const struct folder *folder, char *why, size_t why_size);

/* The path of a file of the folder, in `to`. */
const char *folder_file(const struct folder *folder, const char *name, char to[PATH_MAX]);

/* The file's size in bytes; 0 when there is none. */
uint64_t folder_file_size(const struct folder *folder, const char *name);

/* Makes an empty siotd.db.new, removing what was left of one. 0 or a negative errno. */
int folder_make_new(const struct folder *folder);

/* Sets siotd.db and its log aside under a name with the time (seconds since 1970) and puts
 * siotd.db.new, which must be closed and whole, in its place. `aside` gets the name that the old
 * one has now. 0 or a negative errno. */
int folder_replace(const struct folder *folder, int64_t now_s, char aside[PATH_MAX]);

#endif
