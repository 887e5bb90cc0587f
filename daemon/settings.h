/* settings: what the process itself is configured by: the top level of the file and its `log:`
 * section. */
#ifndef SIOTD_DAEMON_SETTINGS_H
#define SIOTD_DAEMON_SETTINGS_H

#include "base/log.h"
#include "config/config.h"

struct process_settings {
    char *data_dir;        /* where the store lies; NULL: nowhere */
    int durability;        /* enum durability_choice, with data_dir */
    uint64_t sys_interval; /* ms; OPTION_UNLIMITED: never */
    char *metrics_file;    /* where Prometheus finds all figures; NULL: nowhere */
};

struct process_log_settings {
    int level, format; /* enum log_level, enum log_format */
    char *to;
};

extern const struct option_table process_options;
extern const struct option_table process_log_options;

/* What log_open wants to know. `verbose`: debug, whatever the file says. Borrows the text. */
struct log_settings process_log(const struct config *config, bool verbose);

/* struct config_schema.check: log.to is a word that is known or an absolute path,
 * what is to be durable has a place, and what is to be written has its time. */
void process_check(const struct config *config, const struct node *root, struct report *report);

#endif
