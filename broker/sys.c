/* sys: see sys.h. What the daemon says of itself: $SYS/broker/... retained, and client events.
 *
 * The names are Mosquitto's, so that what people have built for it keeps working; texts that it
 * has none for stand under the same roof. */
#include "broker/sys.h"
#include "base/json.h"
#include "broker/core.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void say(struct broker *broker, const char *topic, const char *value)
{
    struct message m = {.topic = (const uint8_t *)topic,
                        .topic_len = (uint16_t)strlen(topic),
                        .payload = (const uint8_t *)value,
                        .payload_len = (uint32_t)strlen(value),
                        .retain = true};
    broker_publish_own(broker, &m);
    message_end(&m);
}

static void say_number(struct broker *broker, const char *name, uint64_t value)
{
    char topic[96], text[24];
    snprintf(topic, sizeof topic, "$SYS/broker/%s", name);
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    say(broker, topic, text);
}

/* ---- totals ---- */

static void say_totals(struct broker *broker)
{
    const struct stats *s = &broker->stats;
    const struct {
        const char *name;
        uint64_t value;
    } totals[] = {
        {"clients/total", s->sessions},
        {"clients/connected", s->clients_connected},
        {"clients/disconnected", s->sessions - s->clients_connected},
        {"clients/active", s->clients_connected},
        {"clients/inactive", s->sessions - s->clients_connected},
        {"clients/maximum", s->clients_maximum},
        {"clients/expired", s->clients_expired},
        {"connections/socket/count", s->sockets},
        {"messages/received", s->messages_received},
        {"messages/sent", s->messages_sent},
        {"messages/stored", s->retained_messages + s->queued_messages},
        {"store/messages/count", s->retained_messages + s->queued_messages},
        {"store/messages/bytes", s->retained_bytes + s->queued_bytes},
        {"publish/messages/received", s->publish_received},
        {"publish/messages/sent", s->publish_sent},
        {"publish/messages/dropped", stats_dropped(s) + s->publish_refused},
        {"publish/messages/refused", s->publish_refused},
        {"publish/messages/coalesced", s->publish_coalesced},
        {"publish/bytes/received", s->publish_bytes_received},
        {"publish/bytes/sent", s->publish_bytes_sent},
        {"bytes/received", s->bytes_received},
        {"bytes/sent", s->bytes_sent},
        {"subscriptions/count", s->subscriptions + s->shared_subscriptions},
        {"shared_subscriptions/count", s->shared_subscriptions},
        {"retained messages/count", s->retained_messages},
        {"queued/messages/count", s->queued_messages},
        {"queued/messages/bytes", s->queued_bytes},
        {"store/batches", s->store_batches},
        {"store/rows/written", s->store_written},
        {"store/rows/cancelled", s->store_cancelled},
        {"store/batch/last", s->store_batch_last},
        {"store/batch/maximum", s->store_batch_maximum},
        {"store/commit/last_ms", s->store_commit_last_ms},
        {"store/commit/maximum_ms", s->store_commit_maximum_ms},
        {"store/full", s->store_full},
        {"heap/current", s->heap_current},
        {"heap/maximum", s->heap_maximum},
        {"protocol_errors", s->protocol_errors},
        {"connects/refused", s->connects_refused},
        {"loop/lag/max_us", s->loop_lag_max_us},
        {"loop/lag/p999_us", s->loop_lag_p999_us},
    };
    for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++)
        say_number(broker, totals[i].name, totals[i].value);
    for (int reason = 0; reason < DROP_REASONS; reason++) {
        char name[64];
        snprintf(name, sizeof name, "publish/messages/dropped/%s", drop_reason_name(reason));
        say_number(broker, name, s->dropped[reason]);
    }
}

/* ---- load averages ---- */

static const char *const load_names[SYS_LOADS] = {
    "messages/received", "messages/sent", "publish/received", "publish/sent", "publish/dropped",
    "bytes/received",    "bytes/sent",    "sockets",          "connections",  "publish/refused",
};

static void read_counters(const struct stats *s, uint64_t now[SYS_LOADS])
{
    const uint64_t counters[SYS_LOADS] = {
        s->messages_received, s->messages_sent,   s->publish_received, s->publish_sent,
        stats_dropped(s),     s->bytes_received,  s->bytes_sent,       s->connections_accepted,
        s->connects,          s->publish_refused,
    };
    memcpy(now, counters, sizeof counters);
}

/* Exponentially damped rates per minute, as uptime(1) has them. */
static void say_loads(struct broker *broker, uint64_t interval_ms)
{
    static const double span_s[SYS_LOAD_SPANS] = {60, 300, 900};
    static const char *const span_names[SYS_LOAD_SPANS] = {"1min", "5min", "15min"};
    struct sys *sys = &broker->sys;
    uint64_t now[SYS_LOADS];
    read_counters(&broker->stats, now);
    double interval_s = (double)interval_ms / 1000;
    for (int i = 0; i < SYS_LOADS; i++) {
        double rate = (double)(now[i] - sys->last[i]) * 60 / interval_s;
        sys->last[i] = now[i];
        for (int span = 0; span < SYS_LOAD_SPANS; span++) {
            double keep = exp(-interval_s / span_s[span]);
            sys->load[i][span] = rate + keep * (sys->load[i][span] - rate);
            char topic[96], text[32];
            snprintf(topic, sizeof topic, "$SYS/broker/load/%s/%s", load_names[i],
                     span_names[span]);
            snprintf(text, sizeof text, "%.2f", sys->load[i][span]);
            say(broker, topic, text);
        }
    }
}

void broker_publish_sys(struct broker *broker, uint64_t interval_ms)
{
    char uptime[48];
    snprintf(uptime, sizeof uptime, "%llu seconds",
             (unsigned long long)((broker->mono_ms - broker->sys.started_ms) / 1000));
    say(broker, "$SYS/broker/version", "siotd version " SIOTD_VERSION);
    say(broker, "$SYS/broker/uptime", uptime);
    say_totals(broker);
    if (interval_ms)
        say_loads(broker, interval_ms);
}

/* ---- client events ---- */

/* A client id as one topic level: what would be syntax there is written %XX. */
static void write_level(struct writer *w, struct slice id)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < id.len; i++) {
        uint8_t c = id.at[i];
        if (c == '/' || c == '+' || c == '#' || c == '%' || c < 0x20 || c == 0x7f) {
            writer_u8(w, '%');
            writer_u8(w, (uint8_t)hex[c >> 4]);
            writer_u8(w, (uint8_t)hex[c & 15]);
        } else {
            writer_u8(w, c);
        }
    }
}

void broker_say(struct broker *broker, const char *group, struct slice one, const char *name,
                int64_t value)
{
    char topic[512], text[24];
    struct writer w = writer_of((uint8_t *)topic, sizeof topic);
    writer_bytes(&w, SLICE("$SYS/broker/"));
    writer_bytes(&w, slice_of_str(group));
    writer_u8(&w, '/');
    write_level(&w, one);
    if (one.len)
        writer_u8(&w, '/');
    writer_bytes(&w, slice_of_str(name));
    writer_u8(&w, '\0');
    snprintf(text, sizeof text, "%lld", (long long)value);
    if (!w.overflow)
        say(broker, topic, text);
}

static void write_field(struct writer *w, const char *name, struct slice value)
{
    writer_bytes(w, SLICE("\""));
    writer_bytes(w, slice_of_str(name));
    writer_bytes(w, SLICE("\":\""));
    json_escape(w, value);
    writer_bytes(w, SLICE("\","));
}

void broker_client_event(struct broker *broker, const struct session *session, bool connected,
                         struct slice address, const char *reason)
{
    struct slice id = session_client_id(session);
    struct slice prefix = SLICE("$SYS/clients/");
    struct slice suffix = connected ? SLICE("/connected") : SLICE("/disconnected");
    struct slice why = slice_of_str(reason);
    size_t topic_size = prefix.len + 3 * id.len + suffix.len;
    size_t payload_size = 192 + json_escaped_len(id) + json_escaped_len(address) +
                          json_escaped_len(why) +
                          json_escaped_len(identity_name(session->identity));
    uint8_t *bytes = malloc(topic_size + payload_size);
    if (!bytes)
        return;
    struct writer topic = writer_of(bytes, topic_size);
    writer_bytes(&topic, prefix);
    write_level(&topic, id);
    writer_bytes(&topic, suffix);
    struct writer payload = writer_of(bytes + topic_size, payload_size);
    writer_bytes(&payload, SLICE("{"));
    write_field(&payload, "clientid", id);
    write_field(&payload, "username", identity_name(session->identity));
    write_field(&payload, "address", address);
    write_field(&payload, "protocol", slice_of_str(session->protocol));
    if (!connected)
        write_field(&payload, "reason", why);
    char ts[40];
    snprintf(ts, sizeof ts, "\"ts\":%lld}", (long long)broker->wall_ms);
    writer_bytes(&payload, slice_of_str(ts));
    if (!topic.overflow && !payload.overflow && writer_len(&topic) <= UINT16_MAX) {
        struct message m = {.topic = topic.start,
                            .topic_len = (uint16_t)writer_len(&topic),
                            .payload = payload.start,
                            .payload_len = (uint32_t)writer_len(&payload)};
        broker_publish_own(broker, &m);
        message_end(&m);
    }
    free(bytes);
}
