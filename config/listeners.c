/* listeners: see listeners.h. Stands beside the way of a message: it is used at start and at
 * reload. */
#include "config/listeners.h"

#include "base/address.h"
#include "base/text.h"
#include "broker/topic.h"
#include "config/settings.h"
#include "protocols/protocol.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOUNTPOINT_LEVELS_MAX = 32, NAMES_MAX = 32 };

/* One entry under examination: its settings and the map they came from. */
struct entry {
    const struct config_schema *schema;
    struct listener_settings *settings;
    const struct node *node;
    struct report *report;
    const char *path; /* of the configuration */
};

/* Where the entry's value of that key stands; the entry itself when it was left out. */
static struct place place_of(const struct entry *entry, const char *key)
{
    const struct node *node = node_get(entry->node, key);
    return node ? node->place : entry->node->place;
}

static const struct config_name *find(const struct config_name *names, size_t count,
                                      const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i].name, name) == 0)
            return &names[i];
    return NULL;
}

static void report_unknown(const struct entry *entry, const char *key, const char *value,
                           const struct config_name *names, size_t count)
{
    const char *words[NAMES_MAX];
    char known[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && i < NAMES_MAX; i++) {
        words[i] = names[i].name;
        if (used + strlen(words[i]) + 3 < sizeof(known))
            used += (size_t)sprintf(known + used, "%s%s", i ? ", " : "", words[i]);
    }
    const char *nearest = text_nearest(value, words, count < NAMES_MAX ? count : NAMES_MAX);
    report_add(entry->report, place_of(entry, key), "%s: there is no %s %s; known: %s%s%s%s", key,
               key, value, known, nearest ? "; did you mean " : "", nearest ? nearest : "",
               nearest ? "?" : "");
}

static const char *carrier_name(unsigned carriers)
{
    switch (carriers) {
    case CARRIER_STREAM:
        return "a stream";
    case CARRIER_DATAGRAM:
        return "datagrams";
    default:
        return "a stream or datagrams";
    }
}

/* The protocol and the transport exist, and the one can live on the other. */
static void check_stack(const struct entry *entry)
{
    const struct config_schema *schema = entry->schema;
    const char *protocol_name = entry->settings->protocol;
    const char *transport_name = entry->settings->transport;
    const struct config_name *protocol = NULL, *transport = NULL;
    if (protocol_name) {
        protocol = find(schema->protocols, schema->protocol_count, protocol_name);
        if (!protocol)
            report_unknown(entry, "protocol", protocol_name, schema->protocols,
                           schema->protocol_count);
    }
    if (transport_name) {
        transport = find(schema->transports, schema->transport_count, transport_name);
        if (!transport)
            report_unknown(entry, "transport", transport_name, schema->transports,
                           schema->transport_count);
    }
    if (protocol && transport && !(protocol->carriers & transport->carriers))
        report_add(entry->report, place_of(entry, "transport"),
                   "transport: %s needs %s, and %s carries %s", protocol->name,
                   carrier_name(protocol->carriers), transport->name,
                   carrier_name(transport->carriers));
}

/* A mountpoint stands in front of every topic: alone it must be one, and never reach into $SYS. */
static void check_mountpoint(const struct entry *entry)
{
    const char *mountpoint = entry->settings->mountpoint;
    if (!mountpoint || mountpoint[0] == '\0')
        return;
    struct slice prefix = slice_of_str(mountpoint);
    if (mountpoint[0] == '$')
        report_add(entry->report, place_of(entry, "mountpoint"),
                   "mountpoint: must not begin with $, which is the broker's own");
    else if (!topic_name_valid(prefix, prefix.len, MOUNTPOINT_LEVELS_MAX))
        report_add(entry->report, place_of(entry, "mountpoint"),
                   "mountpoint: is no prefix of a topic: no + or #, at most %d levels",
                   MOUNTPOINT_LEVELS_MAX);
}

/* A template is a topic once the device's name is in it, which is one level or a part of one. */
static void check_topic(const struct entry *entry)
{
    static const char mark[] = "${device}";
    const char *topic = entry->settings->topic, *dollar;
    if (!topic)
        return;
    if (entry->settings->protocol && strcmp(entry->settings->protocol, "raw") != 0)
        report_add(entry->report, place_of(entry, "topic"), "topic: is for the protocol raw only");
    if (topic[0] == '$' && strncmp(topic, mark, strlen(mark)) != 0)
        report_add(entry->report, place_of(entry, "topic"),
                   "topic: must not begin with $, which is the broker's own");
    else if (!topic_name_valid(slice_of_str(topic), strlen(topic), SIZE_MAX))
        report_add(entry->report, place_of(entry, "topic"), "topic: is no topic: no + or #");
    for (dollar = topic; (dollar = strstr(dollar, "${")) != NULL; dollar++)
        if (strncmp(dollar, mark, strlen(mark)) != 0) {
            report_add(entry->report, place_of(entry, "topic"),
                       "topic: only ${device} can be put in");
            return;
        }
}

/* Names are for logs and metric labels: no blanks, nothing that needs quotes. */
static void check_name(const struct entry *entry)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    const char *name = entry->settings->name;
    if (name && name[strspn(name, allowed)] != '\0')
        report_add(entry->report, place_of(entry, "name"),
                   "name: only letters, digits, _ - and . may be in a name");
}

/* Not every transport can be had on a unix socket. */
static void check_bind(const struct entry *entry)
{
    const struct config_schema *schema = entry->schema;
    const struct listener_settings *settings = entry->settings;
    if (!settings->bind || !settings->transport || strncmp(settings->bind, "unix:", 5) != 0)
        return;
    const struct config_name *transport =
        find(schema->transports, schema->transport_count, settings->transport);
    if (transport && !transport->unix_sockets)
        report_add(entry->report, place_of(entry, "bind"), "bind: %s has no unix sockets",
                   transport->name);
}

/* Two unix sockets, two streams or two datagram sockets get in each other's way; a stream and a
 * datagram do not. */
static bool same_kind(const struct entry *a, const struct entry *b)
{
    const struct config_schema *schema = a->schema;
    const struct config_name *ours =
        find(schema->transports, schema->transport_count, a->settings->transport);
    const struct config_name *theirs =
        find(schema->transports, schema->transport_count, b->settings->transport);
    return ours && theirs && (ours->carriers & theirs->carriers);
}

static void check_against(const struct entry *entry, const struct entry *before)
{
    const struct listener_settings *ours = entry->settings, *theirs = before->settings;
    struct address a, b;
    char why[128];
    if (ours->name && theirs->name && strcmp(ours->name, theirs->name) == 0)
        report_add(entry->report, place_of(entry, "name"),
                   "name: %s is also the name of the listener in line %u", ours->name,
                   before->node->place.line);
    if (!ours->bind || !theirs->bind || !ours->transport || !theirs->transport)
        return;
    if (address_read(ours->bind, &a, why, sizeof(why)) &&
        address_read(theirs->bind, &b, why, sizeof(why)) && address_overlap(&a, &b) &&
        same_kind(entry, before))
        report_add(entry->report, place_of(entry, "bind"),
                   "bind: %s is taken by the listener in line %u, which has %s", ours->bind,
                   before->node->place.line, theirs->bind);
}

/* A tls: map stands where it is needed, and only there. */
static void check_tls(const struct entry *entry)
{
    const struct config_schema *schema = entry->schema;
    const struct tls_settings *tls = &entry->settings->tls;
    const char *name = entry->settings->transport;
    const struct config_name *transport =
        name ? find(schema->transports, schema->transport_count, name) : NULL;
    if (!transport || !settings_row(schema->listener, "tls.certificate"))
        return;
    if (!transport->tls && node_get(entry->node, "tls"))
        report_add(entry->report, place_of(entry, "tls"), "tls: transport %s has none", name);
    else if (transport->tls && !tls->certificate && !tls->psk_file)
        report_add(entry->report, place_of(entry, "tls"),
                   "tls: needs certificate and key, or psk_file");
    else if (transport->tls && !tls->certificate != !tls->key)
        report_add(entry->report, place_of(entry, "tls"),
                   "tls: certificate and key go together, %s is missing",
                   tls->certificate ? "tls.key" : "tls.certificate");
    else if (transport->tls && tls->client_certificate != TLS_CLIENT_NONE && !tls->ca)
        report_add(entry->report, place_of(entry, "tls"),
                   "tls: client_certificate needs tls.ca, who signs them");
    else if (transport->tls && tls->crl && !tls->ca)
        report_add(entry->report, place_of(entry, "tls"), "tls: crl needs tls.ca, who signs it");
}

static void read_entry(const struct entry *entry)
{
    settings_read(entry->schema->listener, entry->node, entry->node->place, NULL, entry->settings,
                  entry->report);
    check_tls(entry);
    if (!settings_resolve(entry->schema->listener, entry->settings, entry->path))
        report_add(entry->report, entry->node->place, "out of memory");
    check_name(entry);
    check_stack(entry);
    check_bind(entry);
    check_mountpoint(entry);
    check_topic(entry);
}

static void read_entries(struct config *config, const struct node *list, struct entry *entries,
                         struct report *report)
{
    for (const struct node *node = list->first; node; node = node->next) {
        size_t i = config->listener_count++;
        entries[i] =
            (struct entry){config->schema, &config->listeners[i], node, report, config->path};
        if (!settings_defaults(config->schema->listener, &config->listeners[i]))
            report_add(report, node->place, "out of memory");
        if (node->kind != NODE_MAP) {
            report_add(report, node->place, "listeners: an entry must be a map, not %s",
                       node_kind_name(node));
            continue;
        }
        read_entry(&entries[i]);
        for (size_t other = 0; other < i; other++)
            check_against(&entries[i], &entries[other]);
    }
}

void listeners_read(struct config *config, const struct node *list, const struct node *root,
                    struct report *report)
{
    enum { LISTENERS_MAX = 1000 };
    if (!list) {
        report_add(report, root->place, "listeners: is missing: without one nobody can connect");
        return;
    }
    if (list->kind != NODE_LIST && !node_is_null(list)) {
        report_add(report, list->place, "listeners: must be a list, one entry for each listener");
        return;
    }
    if (list->count == 0 || list->count > LISTENERS_MAX) {
        report_add(report, list->key_place, "listeners: has %zu entries, must have from 1 to %d",
                   list->count, LISTENERS_MAX);
        return;
    }
    struct entry *entries = calloc(list->count, sizeof(*entries));
    config->listeners = calloc(list->count, sizeof(*config->listeners));
    if (entries && config->listeners)
        read_entries(config, list, entries, report);
    else
        report_add(report, list->place, "out of memory");
    free(entries);
}
