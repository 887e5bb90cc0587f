/* index: what an authority has issued and revoked, one line of text for each certificate.
 *
 *   # siotctl pki index
 *   crl NUMBER
 *   valid   SERIAL UNTIL KIND NAME
 *   revoked SERIAL UNTIL KIND NAME SINCE
 *
 * SERIAL in hexadecimal, times as 2026-11-21T03:00:00Z, KIND server or client, newest last. */
#ifndef SIOTD_SIOTCTL_INDEX_H
#define SIOTD_SIOTCTL_INDEX_H

#include "siotctl/name.h"

enum { INDEX_SERIAL_LEN = 16, INDEX_TIME_SIZE = 24 };

struct index_entry {
    bool revoked, server;
    uint8_t serial[INDEX_SERIAL_LEN];
    time_t until, since; /* since: of a revoked one */
    char name[NAME_SIZE];
};

struct index {
    unsigned long crl_number; /* of the last revocation list; 0: none yet */
    struct index_entry *entries;
    size_t count;
};

/* Reads an index. 0, -ENOMEM, or -EINVAL with *line the number of the first line that is wrong. On
 * failure there is nothing to clear. */
int index_parse(struct index *index, struct slice text, unsigned *line);

/* A new string that the caller frees, or NULL when out of memory. */
char *index_format(const struct index *index);

/* Frees the entries. */
void index_clear(struct index *index);

/* 0 or -ENOMEM. */
int index_add(struct index *index, const struct index_entry *entry);

/* The newest entry of a name, or the one of a serial number in hexadecimal; NULL when there is
 * none. A name goes before a number. */
struct index_entry *index_find(const struct index *index, const char *name_or_serial);

/* The one that is in force: neither revoked nor past its time. */
struct index_entry *index_in_force(const struct index *index, const char *name, time_t now);

/* As they stand in the file. */
void index_serial_text(const uint8_t serial[INDEX_SERIAL_LEN], char text[2 * INDEX_SERIAL_LEN + 1]);
void index_time_text(time_t when, char text[INDEX_TIME_SIZE]);

#endif
