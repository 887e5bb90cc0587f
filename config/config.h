/* config: siotd.yaml as the daemon knows it.
 *
 * A file is read as a whole, against a schema that the daemon puts together from the tables of its
 * modules; what comes out is complete and valid, or nothing. A running daemon has one configuration
 * that its parts borrow members from; a reload reads a second one and adopts what may change,
 * member by member, so what is borrowed stays where it is. */
#ifndef SIOTD_CONFIG_CONFIG_H
#define SIOTD_CONFIG_CONFIG_H

#include "config/node.h"
#include "config/option.h"
#include "config/report.h"
#include "transports/listener_settings.h"

struct access;
struct config;

/* A protocol or a transport that a listener may name. */
struct config_name {
    const char *name;
    unsigned carriers; /* enum carrier bits: what a protocol can live on, what a transport is */
    bool unix_sockets; /* of a transport: it takes unix:/path */
    bool tls;          /* of a transport: it wants a tls: map */
};

struct config_schema {
    const struct option_table *const *sections; /* "" is the top level; each name once */
    size_t section_count;
    const struct option_table *listener; /* describes struct listener_settings */
    const struct config_name *protocols, *transports;
    size_t protocol_count, transport_count;
    /* Looks for what rows cannot say, so that all mistakes are reported at once: what was wrong so
     * far has its default, and of the listeners some may be missing. May be NULL. */
    void (*check)(const struct config *config, const struct node *root, struct report *report);
    /* Reads users and rules; called after check, when nothing was wrong. One reference, or NULL
     * with the reason in the report. May be NULL. */
    struct access *(*access)(const struct config *config, const struct node *root,
                             struct report *report);
};

struct config {
    const struct config_schema *schema; /* borrowed */
    char *path;                         /* of the file, as given */
    void **sections;                    /* a settings struct for each of the schema's */
    struct listener_settings *listeners;
    size_t listener_count;
    struct access *access; /* owned reference; NULL when the schema knows of none */
};

/* Reads and checks a file. Returns the configuration, to be freed with config_free; NULL when there
 * is any mistake, and the report, sorted, then names every one. `report` must be empty. */
struct config *config_load(const char *path, const struct config_schema *schema,
                           struct report *report);

/* The same for text that is already there; `path` is for messages only. */
struct config *config_parse(const char *path, struct slice text, const struct config_schema *schema,
                            struct report *report);

/* Frees a configuration; NULL is allowed. */
void config_free(struct config *config);

/* The settings struct of a section, or NULL when the schema has none of that name. */
void *config_section(const struct config *config, const char *name);

/* The listener of that name, or NULL. */
struct listener_settings *config_listener(const struct config *config, const char *name);

#endif
