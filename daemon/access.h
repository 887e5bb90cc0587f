/* access: the section `auth:` of the configuration, and the struct access it becomes. */
#ifndef SIOTD_DAEMON_ACCESS_H
#define SIOTD_DAEMON_ACCESS_H

#include "broker/access.h"
#include "config/config.h"
#include <stdio.h>

struct access_settings {
    char *password_file, *acl_file; /* as written; NULL: none */
    bool bind_client_id;
    uint64_t password_checks, password_checks_queued;
};

extern const struct option_table access_options;

/* struct config_schema.access: reads all that the section names. One reference, or NULL with every
 * mistake in the report: nothing of it is used then. */
struct access *access_load(const struct config *config, const struct node *root,
                           struct report *report);

/* Calls `warn` for each thing that works but should not stay so: files that others can read, users
 * without a rule that would let them do anything. */
void access_inspect(const struct config *config, void (*warn)(void *to, const char *text),
                    void *to);

/* One log line: how many users and rules there are now. */
void access_log(const struct access *access, const char *prefix);

/* Who may do what, one line for each rule in the order of decision; for `siotd -t`. */
void access_print(FILE *to, const struct config *config);

#endif
