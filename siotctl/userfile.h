/* userfile: a file of lines "NAME:VALUE", as password and pre-shared key files are, of which one
 * line is changed. Every other line, comments and blank ones too, stays as it is. */
#ifndef SIOTD_SIOTCTL_USERFILE_H
#define SIOTD_SIOTCTL_USERFILE_H

#include "siotctl/folder.h"

struct userfile {
    const char *path;   /* as the user has written it */
    char *place, *name; /* folder and name of the real file behind it, if it is a link */
    struct folder folder;
    bool exists;
    struct stat stat; /* when it exists */
    uint8_t *text;
    size_t len;
};

/* All functions that return an exit status have said why when it is not ENDED_WELL. */

/* Opens the file, which need not exist, and keeps other siotctls from it. */
int userfile_open(struct userfile *file, const char *path);
void userfile_close(struct userfile *file);

/* NULL when a line may begin with this name, else why not: 1 to max bytes of clean UTF-8 without
 * ':', and no '#' in front. */
const char *userfile_name_mistake(const char *name, size_t max);

/* Whether there is a line of this name. */
bool userfile_has(const struct userfile *file, const char *name);

/* Writes the file with the name's line changed to `value`, or appended if there is none; NULL:
 * without the name's line. */
int userfile_set(struct userfile *file, const char *name, const char *value);

#endif
