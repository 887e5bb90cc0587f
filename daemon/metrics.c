/* metrics: see metrics.h. Beside the way of a message.
 *
 * Names begin with siotd_, counters end in _total, times are seconds and sizes bytes. Labels are
 * listener, protocol, transport and qos, and the reason why something did not happen; never one per
 * client, which would be without bound. Rates are not here: they are for whoever reads this. */
#include "daemon/metrics.h"

#include "base/exposition.h"
#include "broker/broker.h"
#include "daemon/daemon.h"
#include "daemon/figures.h"
#include "store/store.h"
#include "transports/listener.h"
#include "transports/loop.h"
#include <stdlib.h>

/* A family of one number, which is a member of some struct. */
struct member {
    struct exposition_family family;
    size_t offset;
};

static uint64_t number_at(const void *of, size_t offset)
{
    return *(const uint64_t *)((const char *)of + offset);
}

/* Type and unit. */
#define COUNTER   EXPOSITION_COUNTER, EXPOSITION_NUMBER
#define GAUGE     EXPOSITION_GAUGE, EXPOSITION_NUMBER
#define MICROS    EXPOSITION_GAUGE, EXPOSITION_MICROSECONDS
#define MILLIS    EXPOSITION_GAUGE, EXPOSITION_MILLISECONDS
#define COUNT(of) (sizeof(of) / sizeof((of)[0]))

static void say_members(struct exposition *e, const struct member *members, size_t count,
                        const void *of)
{
    for (size_t i = 0; i < count; i++)
        exposition_say(e, &members[i].family, number_at(of, members[i].offset));
}

/* ---- the core ---- */

#define OF(member) offsetof(struct stats, member)
static const struct member core_members[] = {
    {{"siotd_sessions", GAUGE, "Sessions, of clients that are here and of those that are away."},
     OF(sessions)},
    {{"siotd_sessions_expired_total", COUNTER, "Sessions ended by their expiry."},
     OF(clients_expired)},
    {{"siotd_clients_connected", GAUGE, "Clients that are here."}, OF(clients_connected)},
    {{"siotd_clients_connected_maximum", GAUGE, "The most clients that were here at once."},
     OF(clients_maximum)},
    {{"siotd_sockets", GAUGE, "Open connections, and endpoints that are remembered."}, OF(sockets)},
    {{"siotd_connections_accepted_total", COUNTER, "Connections, and endpoints that became known."},
     OF(connections_accepted)},
    {{"siotd_connects_total", COUNTER, "Clients let in."}, OF(connects)},
    {{"siotd_connects_refused_total", COUNTER, "Clients not let in."}, OF(connects_refused)},
    {{"siotd_received_bytes_total", COUNTER, "Bytes received, with all that protocols add."},
     OF(bytes_received)},
    {{"siotd_sent_bytes_total", COUNTER, "Bytes sent, with all that protocols add."},
     OF(bytes_sent)},
    {{"siotd_packets_received_total", COUNTER, "Packets of any kind that clients have sent."},
     OF(messages_received)},
    {{"siotd_packets_sent_total", COUNTER, "Packets of any kind sent to clients."},
     OF(messages_sent)},
    {{"siotd_publish_coalesced_total", COUNTER,
      "States that a newer one replaced before an observer could be told."},
     OF(publish_coalesced)},
    {{"siotd_publish_received_bytes_total", COUNTER, "Payload of messages that were published."},
     OF(publish_bytes_received)},
    {{"siotd_publish_sent_bytes_total", COUNTER, "Payload of messages sent to subscribers."},
     OF(publish_bytes_sent)},
    {{"siotd_publish_refused_total", COUNTER, "Messages not accepted from their publishers."},
     OF(publish_refused)},
    {{"siotd_subscriptions", GAUGE, "Subscriptions, without shared ones."}, OF(subscriptions)},
    {{"siotd_shared_subscriptions", GAUGE, "Shared subscriptions."}, OF(shared_subscriptions)},
    {{"siotd_retained_messages", GAUGE, "Retained messages, without those of $SYS."},
     OF(retained_messages)},
    {{"siotd_retained_bytes", GAUGE, "Size of the retained messages."}, OF(retained_bytes)},
    {{"siotd_queued_messages", GAUGE, "Messages in the queues of all sessions."},
     OF(queued_messages)},
    {{"siotd_queued_bytes", GAUGE, "Size of the messages in the queues of all sessions."},
     OF(queued_bytes)},
    {{"siotd_protocol_errors_total", COUNTER, "Connections ended by what a client must not send."},
     OF(protocol_errors)},
    {{"siotd_heap_bytes", GAUGE, "Memory allocated."}, OF(heap_current)},
    {{"siotd_heap_maximum_bytes", GAUGE, "The most memory seen allocated."}, OF(heap_maximum)},
    {{"siotd_loop_lag_maximum_seconds", MICROS,
      "The longest turn of the loop since the last time."},
     OF(loop_lag_max_us)},
    {{"siotd_loop_lag_p999_seconds", MICROS, "What 99.9 % of these turns took at most."},
     OF(loop_lag_p999_us)},
};

/* Those that are about the store, and said when there is one. */
static const struct member durable_members[] = {
    {{"siotd_store_full", GAUGE, "1: what has to be kept finds no room, now."}, OF(store_full)},
    {{"siotd_store_messages_cancelled_total", COUNTER, "Messages over before they were written."},
     OF(store_cancelled)},
};
#undef OF

static void say_by_qos(struct exposition *e, const struct exposition_family *family,
                       const uint64_t counts[STATS_QOS])
{
    exposition_begin(e, family);
    for (int qos = 0; qos < STATS_QOS; qos++) {
        const uint8_t digit = (uint8_t)('0' + qos);
        const struct exposition_label label = {"qos", slice_of(&digit, 1)};
        exposition_sample(e, &label, 1, counts[qos]);
    }
}

static void say_messages(struct exposition *e, const struct stats *stats)
{
    static const struct exposition_family received = {"siotd_publish_received_total", COUNTER,
                                                      "Messages that clients have published."};
    static const struct exposition_family sent = {"siotd_publish_sent_total", COUNTER,
                                                  "Messages sent to subscribers."};
    say_by_qos(e, &received, stats->publish_received_at);
    say_by_qos(e, &sent, stats->publish_sent_at);
}

static void say_drops(struct exposition *e, const struct stats *stats)
{
    static const struct exposition_family family = {
        "siotd_publish_dropped_total", COUNTER,
        "Messages that did not reach a subscriber that had asked for them."};
    exposition_begin(e, &family);
    for (int reason = 0; reason < DROP_REASONS; reason++) {
        const struct exposition_label label = {
            "reason", slice_of_str(drop_reason_name((enum drop_reason)reason))};
        exposition_sample(e, &label, 1, stats->dropped[reason]);
    }
}

/* ---- the store ---- */

#define OF(member) offsetof(struct store_counts, member)
static const struct member store_members[] = {
    {{"siotd_store_batches_total", COUNTER, "Batches committed."}, OF(batches)},
    {{"siotd_store_rows_written_total", COUNTER, "Changes in these batches."}, OF(changes)},
    {{"siotd_store_batch_rows", GAUGE, "Changes in the last batch."}, OF(batch_last)},
    {{"siotd_store_batch_rows_maximum", GAUGE, "Changes in the largest batch."}, OF(batch_max)},
    {{"siotd_store_commit_last_seconds", MICROS, "What the last commit took, with its flush."},
     OF(commit_last_us)},
    {{"siotd_store_commit_p50_seconds", MICROS, "What half of the commits took at most."},
     OF(commit_p50_us)},
    {{"siotd_store_commit_p99_seconds", MICROS, "What 99 % of the commits took at most."},
     OF(commit_p99_us)},
    {{"siotd_store_commit_maximum_seconds", MICROS, "What the slowest commit took."},
     OF(commit_max_us)},
    {{"siotd_store_commits_refused_total", COUNTER, "Batches for which there was no room."},
     OF(refused)},
    {{"siotd_store_busy_seconds", MILLIS, "How long the work under way takes so far."},
     OF(busy_ms)},
    {{"siotd_store_file_bytes", GAUGE, "Size of siotd.db."}, OF(file_bytes)},
    {{"siotd_store_log_bytes", GAUGE, "Size of what is not in siotd.db yet."}, OF(wal_bytes)},
    {{"siotd_store_rows_fetched_total", COUNTER, "Rows of long queues read back."}, OF(fetched)},
    {{"siotd_store_rows_loaded_total", COUNTER, "Rows read back at the start."}, OF(loaded)},
    {{"siotd_store_rows_damaged_total", COUNTER, "Rows left out because of a wrong sum."},
     OF(damaged_rows)},
    {{"siotd_store_rows_salvaged_total", COUNTER, "Rows brought over from damaged files."},
     OF(salvaged)},
    {{"siotd_store_orphans_total", COUNTER, "Messages removed that nothing named."}, OF(orphans)},
    {{"siotd_store_commits_lost_total", COUNTER,
      "Commits behind a damaged place in the log that siotd found at its start."},
     OF(lost_commits)},
    {{"siotd_store_files_set_aside_total", COUNTER, "Damaged files set aside."}, OF(set_aside)},
};
#undef OF

static void say_store(struct exposition *e, struct store *store, const struct stats *stats)
{
    struct store_counts counts;
    if (!store)
        return;
    store_count(store, &counts);
    say_members(e, store_members, COUNT(store_members), &counts);
    say_members(e, durable_members, COUNT(durable_members), stats);
}

/* ---- listeners ---- */

enum { LISTENER_LABELS = 3 };

/* All that is counted of one, and whether it is counted. */
struct reading {
    struct exposition_label labels[LISTENER_LABELS + 1]; /* and a place for the reason */
    uint64_t connections, expires_s;
    struct listener_counts accepting;
    struct handshake_counts handshakes;
    struct datagram_counts datagrams;
    bool always, shakes, expires, on_datagrams;
};

/* One number of each listener that has it. Rows of one family stand together. */
struct listener_member {
    struct exposition_family family; /* without a name: that of the row above */
    size_t offset, condition;        /* of the number, and of a bool; in struct reading */
    const char *reason;              /* a label; or NULL */
};

#define OF(member) offsetof(struct reading, member)
#define SAME_FAMILY                                                                                \
    {                                                                                              \
        NULL, COUNTER, NULL                                                                        \
    }
static const struct listener_member listener_members[] = {
    {{"siotd_listener_connections", GAUGE, "Open connections, or endpoints that are remembered."},
     OF(connections),
     OF(always),
     NULL},
    {{"siotd_listener_accepted_total", COUNTER, "Connections, or endpoints that became known."},
     OF(accepting.accepted),
     OF(always),
     NULL},
    {{"siotd_listener_closed_total", COUNTER, "Connections that siotd has closed to save itself."},
     OF(accepting.refused),
     OF(always),
     "refused"},
    {SAME_FAMILY, OF(accepting.displaced), OF(always), "displaced"},
    {SAME_FAMILY, OF(accepting.stalled), OF(always), "stalled"},
    {{"siotd_listener_pauses_total", COUNTER, "Times that nobody was accepted for a moment."},
     OF(accepting.hurried),
     OF(always),
     "accept_rate"},
    {SAME_FAMILY, OF(accepting.back_offs), OF(always), "resources"},
    {{"siotd_handshakes_total", COUNTER, "TLS and DTLS handshakes that were completed."},
     OF(handshakes.done),
     OF(shakes),
     NULL},
    {{"siotd_handshakes_resumed_total", COUNTER, "Those of them that resumed a session."},
     OF(handshakes.resumed),
     OF(shakes),
     NULL},
    {{"siotd_handshakes_failed_total", COUNTER, "Handshakes that failed or found no room."},
     OF(handshakes.failed),
     OF(shakes),
     NULL},
    {{"siotd_certificate_expires_timestamp_seconds", GAUGE,
      "When the listener's certificate expires, since 1970."},
     OF(expires_s),
     OF(expires),
     NULL},
    {{"siotd_datagrams_received_total", COUNTER, "Datagrams received."},
     OF(datagrams.received),
     OF(on_datagrams),
     NULL},
    {{"siotd_datagrams_sent_total", COUNTER, "Datagrams sent."},
     OF(datagrams.sent),
     OF(on_datagrams),
     NULL},
};
#undef OF

static void read_listener(const struct daemon *daemon, size_t i, struct reading *to)
{
    const struct listener *listener = daemon->listeners[i];
    const struct listener_settings *settings = listener_settings(listener);
    *to = (struct reading){
        .labels = {{"listener", slice_of_str(settings->name)},
                   {"protocol", slice_of_str(settings->protocol)},
                   {"transport", slice_of_str(settings->transport)}},
        .connections = listener_connections(listener),
        .accepting = listener_counts(listener),
        .always = true,
    };
    to->shakes = listener_handshakes(listener, &to->handshakes);
    to->on_datagrams = listener_datagrams(listener, &to->datagrams);
    to->expires = to->shakes && to->handshakes.expires_s != INT64_MAX;
    to->expires_s =
        to->expires && to->handshakes.expires_s > 0 ? (uint64_t)to->handshakes.expires_s : 0;
}

/* One number of all listeners that have it. */
static void say_number(struct exposition *e, struct reading *all, size_t count, size_t offset,
                       size_t condition, const char *reason)
{
    for (size_t i = 0; i < count; i++) {
        struct reading *one = &all[i];
        if (!*(const bool *)((const char *)one + condition))
            continue;
        if (reason)
            one->labels[LISTENER_LABELS] =
                (struct exposition_label){"reason", slice_of_str(reason)};
        exposition_sample(e, one->labels, reason ? LISTENER_LABELS + 1 : LISTENER_LABELS,
                          number_at(one, offset));
    }
}

static void say_dropped_datagrams(struct exposition *e, struct reading *all, size_t count)
{
    static const struct exposition_family family = {
        "siotd_datagrams_dropped_total", COUNTER,
        "Datagrams that were not received, not heard or not sent."};
    exposition_begin(e, &family);
    for (size_t n = 0; n < datagram_figure_count; n++)
        if (datagram_figures[n].dropped)
            say_number(e, all, count,
                       offsetof(struct reading, datagrams) + datagram_figures[n].offset,
                       offsetof(struct reading, on_datagrams), datagram_figures[n].name);
}

static void say_listeners(struct exposition *e, const struct daemon *daemon)
{
    size_t count = daemon->listener_count;
    struct reading *all = calloc(count, sizeof(*all));
    e->failed = e->failed || !all;
    if (!all)
        return;
    for (size_t i = 0; i < count; i++)
        read_listener(daemon, i, &all[i]);
    for (size_t n = 0; n < COUNT(listener_members); n++) {
        const struct listener_member *member = &listener_members[n];
        if (member->family.name)
            exposition_begin(e, &member->family);
        say_number(e, all, count, member->offset, member->condition, member->reason);
    }
    say_dropped_datagrams(e, all, count);
    free(all);
}

/* ---- all ---- */

static void say_process(struct exposition *e, const struct daemon *daemon)
{
    static const struct exposition_family build = {"siotd_build_info", GAUGE,
                                                   "Always 1; the version of siotd is a label."};
    static const struct exposition_family uptime = {"siotd_uptime_seconds", MILLIS,
                                                    "How long siotd has been running."};
    const struct exposition_label version = {"version", SLICE(SIOTD_VERSION)};
    exposition_begin(e, &build);
    exposition_sample(e, &version, 1, 1);
    exposition_say(e, &uptime, loop_now_ms(daemon->loop) - daemon->started_ms);
}

bool metrics_render(const struct daemon *daemon, struct buffer *text)
{
    struct exposition e = {.failed = false};
    const struct stats *stats = broker_stats(daemon->broker);
    say_process(&e, daemon);
    say_members(&e, core_members, COUNT(core_members), stats);
    say_messages(&e, stats);
    say_drops(&e, stats);
    say_store(&e, daemon->durability.store, stats);
    say_listeners(&e, daemon);
    *text = e.text;
    return !e.failed;
}
