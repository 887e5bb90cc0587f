/* list: siotctl pki list. */
#include "siotctl/pki.h"
#include "siotctl/say.h"

#include <stdio.h>

static void print(const struct index_entry *entry, time_t now)
{
    char serial[2 * INDEX_SERIAL_LEN + 1], until[INDEX_TIME_SIZE];
    index_serial_text(entry->serial, serial);
    index_time_text(entry->until, until);
    printf("%-8s %-7s %s  %s  %s\n",
           entry->revoked        ? "revoked"
           : entry->until <= now ? "expired"
                                 : "valid",
           entry->server ? "server" : "client", until, serial, entry->name);
}

int pki_list(const struct pki_options *options)
{
    struct authority authority;
    int status = authority_open(&authority, options->dir);
    if (status != ENDED_WELL)
        return status;
    for (size_t i = 0; i < authority.index.count; i++)
        print(&authority.index.entries[i], options->now);
    authority_close(&authority);
    return ENDED_WELL;
}
