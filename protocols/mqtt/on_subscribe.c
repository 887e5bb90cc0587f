/* on_subscribe: SUBSCRIBE and UNSUBSCRIBE.
 *
 * The decoder has judged the whole packet before the first filter is looked at here, so a faulty
 * one changes nothing; after that each filter is judged alone [MQTT-3.8.4-5, MQTT-3.8.4-6]. The
 * answer leaves before the first retained message: those follow in later turns (broker_work). */
#include "base/utf8.h"
#include "broker/topic.h"
#include "protocols/mqtt/packets.h"
#include "protocols/mqtt/reasons.h"
#include "protocols/mqtt/refuse.h"

#include <stdio.h>
#include <stdlib.h>

enum { REFUSALS_PER_SECOND = 10 };

/* The reason codes of one answer; most packets hold few filters. */
struct reasons {
    uint8_t *at;
    uint8_t few[64];
};

static bool reasons_init(struct reasons *reasons, size_t count, struct mqtt_fault *fault)
{
    reasons->at = count <= sizeof reasons->few ? reasons->few : malloc(count);
    return reasons->at || mqtt_fail(fault, MQTT_IMPLEMENTATION_SPECIFIC_ERROR, 0,
                                    "5.0 section 4.13", "out of memory for the answer");
}

static void reasons_clear(struct reasons *reasons)
{
    if (reasons->at != reasons->few)
        free(reasons->at);
}

/* Before anything is done: an answer that may not be sent makes the whole packet impossible. */
static bool check_answer(const struct mqtt_connection *c, size_t size, struct mqtt_fault *fault)
{
    return mqtt_fits(c, size) ||
           mqtt_fail(fault, MQTT_PACKET_TOO_LARGE, 0, "MQTT-3.1.2-24",
                     "the answer would be above the client's Maximum Packet Size");
}

/* The syntax of filters [MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.3-1, MQTT-4.8.2-1], whatever the
 * limits are, and no control characters. */
static bool is_filter(struct slice s)
{
    struct slice group, filter;
    return utf8_clean(s) && topic_split_share(s, &group, &filter) != TOPIC_SHARE_MALFORMED &&
           topic_filter_valid(filter, UINT16_MAX, UINT16_MAX + 1);
}

/* 5.0 has a reason code for one filter that is none; in 3.x it makes the packet wrong, before any
 * of its filters has had an effect. `next` takes one filter off a SUBSCRIBE or UNSUBSCRIBE. */
static bool check_filters(const struct mqtt_connection *c, struct slice rest,
                          bool (*next)(struct slice *rest, struct slice *filter),
                          struct mqtt_fault *fault)
{
    struct slice filter;
    while (c->version != MQTT_5 && next(&rest, &filter))
        if (!is_filter(filter))
            return mqtt_fail(fault, MQTT_TOPIC_FILTER_INVALID, 4, "MQTT-4.7.1-1",
                             "not a topic filter");
    return true;
}

static bool next_wish(struct slice *rest, struct slice *filter)
{
    struct mqtt_subscription wish;
    bool more = mqtt_next_subscription(rest, &wish);
    *filter = wish.filter;
    return more;
}

/* What this server was told not to offer; MQTT_SUCCESS when nothing of it is asked for. */
static enum mqtt_reason not_offered(const struct mqtt_options *options, struct slice filter,
                                    bool has_identifier)
{
    if (!options->shared_subscriptions && slice_starts_with(filter, SLICE("$share/")))
        return MQTT_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED;
    if (!options->wildcard_subscriptions && topic_has_wildcard(filter))
        return MQTT_WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED;
    if (!options->subscription_identifiers && has_identifier)
        return MQTT_SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED;
    return MQTT_SUCCESS;
}

static void log_refused(const struct mqtt_connection *c, struct slice filter,
                        enum mqtt_reason reason)
{
    static struct log_rate rate; /* for all clients together */
    char escaped[LOG_ESCAPED_SIZE], more[64] = "";
    uint32_t missed = 0;
    if (!log_rate_allows(&rate, peer_now_ms(c->peer), REFUSALS_PER_SECOND, &missed))
        return;
    if (missed)
        snprintf(more, sizeof more, " (%u more like this were not logged)", (unsigned)missed);
    peer_log(c->peer, LOG_INFO, "subscription to \"%s\" refused: %s (0x%02X)%s",
             log_escape(escaped, sizeof escaped, filter), mqtt_reason_name(reason),
             (unsigned)reason, more);
}

static enum mqtt_reason subscribe(struct mqtt_connection *c, const struct mqtt_subscription *wish,
                                  uint32_t identifier)
{
    const struct mqtt_options *options = mqtt_options_of(c);
    struct subscribe_options granted = {
        .qos = wish->qos < options->max_qos ? wish->qos : (uint8_t)options->max_qos,
        .no_local = wish->no_local,
        .retain_as_published = wish->retain_as_published,
        .retain_handling = wish->retain_handling,
        .identifier = identifier,
    };
    enum mqtt_reason reason = is_filter(wish->filter)
                                  ? not_offered(options, wish->filter, identifier != 0)
                                  : MQTT_TOPIC_FILTER_INVALID;
    if (reason == MQTT_SUCCESS)
        reason = mqtt_subscribe_reason(
            broker_subscribe(c->broker, c->session, wish->filter, &granted), granted.qos);
    if (reason >= MQTT_UNSPECIFIED_ERROR)
        log_refused(c, wish->filter, reason);
    return reason;
}

bool mqtt_on_subscribe(struct mqtt_connection *c, const struct mqtt_header *header,
                       struct slice packet, struct mqtt_fault *fault)
{
    enum mqtt_version version = (enum mqtt_version)c->version;
    struct mqtt_property_limits limits = mqtt_property_limits(mqtt_options_of(c));
    struct mqtt_subscribe s;
    struct reasons reasons;
    if (!mqtt_decode_subscribe(header, packet, version, &limits, &s, fault))
        return false;
    size_t size = mqtt_suback_size(version, s.count, NULL), count = 0;
    if (!check_filters(c, s.filters, next_wish, fault) || !check_answer(c, size, fault) ||
        !reasons_init(&reasons, s.count, fault))
        return false;
    struct slice rest = s.filters;
    struct mqtt_subscription wish;
    while (mqtt_next_subscription(&rest, &wish))
        reasons.at[count++] = (uint8_t)subscribe(c, &wish, s.properties.subscription_identifier);
    uint64_t promise = broker_promise_for(c->broker, c->session);
    uint8_t *to = mqtt_room_after(c, size, promise);
    if (to) { /* [MQTT-3.8.4-1] */
        struct writer w = writer_of(to, size);
        mqtt_encode_suback(&w, version, s.packet_id, reasons.at, count, NULL);
        peer_barrier(c->peer, promise); /* messages come behind it */
    }
    reasons_clear(&reasons);
    return true;
}

bool mqtt_on_unsubscribe(struct mqtt_connection *c, const struct mqtt_header *header,
                         struct slice packet, struct mqtt_fault *fault)
{
    enum mqtt_version version = (enum mqtt_version)c->version;
    struct mqtt_property_limits limits = mqtt_property_limits(mqtt_options_of(c));
    struct mqtt_subscribe s;
    struct reasons reasons;
    if (!mqtt_decode_unsubscribe(header, packet, version, &limits, &s, fault))
        return false;
    size_t size = mqtt_unsuback_size(version, s.count, NULL), count = 0;
    if (!check_filters(c, s.filters, mqtt_next_filter, fault) || !check_answer(c, size, fault) ||
        !reasons_init(&reasons, s.count, fault))
        return false;
    struct slice rest = s.filters, filter;
    while (mqtt_next_filter(&rest, &filter)) /* [MQTT-3.10.4-6] */
        reasons.at[count++] =
            (uint8_t)mqtt_unsubscribe_reason(broker_unsubscribe(c->broker, c->session, filter));
    uint8_t *to = mqtt_room_after(c, size, broker_promise_for(c->broker, c->session));
    if (to) { /* [MQTT-3.10.4-4] */
        struct writer w = writer_of(to, size);
        mqtt_encode_unsuback(&w, version, s.packet_id, reasons.at, count, NULL);
    }
    reasons_clear(&reasons);
    return true;
}
