/* will: see will.h. session.c decides when; publish.c routes it like any other message.
 *
 * Wills come in storms (a rack loses power, a network splits), so no more than
 * limits.wills_per_second are said in a second; the rest wait here, in order, with all they need
 * after their session is gone. Who reconnects and vanishes faster than that adds to them without
 * end, so what waits is bounded by limits.wills_bytes. */
#include "broker/will.h"
#include "broker/core.h"
#include "broker/durable_rows.h"
#include "broker/record.h"
#include <stdlib.h>

struct fired_will {
    struct list link;
    struct principal *principal;
    struct will *will;
    uint64_t note; /* the number of the note that survives a restart; 0: there is none */
    char mountpoint[];
};

enum { NOTE_KEY = 13 }; /* "\0will", and the number */

static struct slice note_key(uint64_t number, uint8_t key[NOTE_KEY])
{
    memcpy(key, "\0will", 5);
    for (int i = 0; i < 8; i++)
        key[5 + i] = (uint8_t)(number >> (56 - 8 * i));
    return slice_of(key, NOTE_KEY);
}

void will_free(struct will *will)
{
    if (!will)
        return;
    message_unref(will->message);
    free(will);
}

bool will_equal(const struct will *a, const struct will *b)
{
    if (!a || !b)
        return a == b;
    const struct message *m = a->message, *n = b->message;
    return a->delay_s == b->delay_s && a->expires == b->expires && a->expiry_s == b->expiry_s &&
           m->qos == n->qos && m->retain == n->retain &&
           slice_equal(message_topic(m), message_topic(n)) &&
           slice_equal(message_payload(m), message_payload(n)) &&
           slice_equal(message_properties(m), message_properties(n));
}

static void fired_free(struct broker *broker, struct fired_will *fired)
{
    uint8_t key[NOTE_KEY];
    list_remove(&fired->link);
    if (fired->note) {
        (void)durable_note(broker, note_key(fired->note, key), SLICE_EMPTY);
        broker->durable.pull = true; /* what was said, or that it is to be said */
    }
    principal_unref(fired->principal);
    will_free(fired->will);
    free(fired);
}

/* Nobody waits for the verdict on a will. */
static void count_refused(struct broker *broker, enum verdict verdict)
{
    if (verdict == VERDICT_OK || verdict == VERDICT_NO_SUBSCRIBERS)
        return;
    broker->stats.dropped[verdict == VERDICT_NO_MEMORY   ? DROP_NO_MEMORY
                          : verdict == VERDICT_TOO_LARGE ? DROP_TOO_LARGE
                                                         : DROP_DENIED]++;
}

static void say(struct broker *broker, const struct fired_will *fired)
{
    const struct will *will = fired->will;
    struct origin origin = {
        .principal = fired->principal, .mountpoint = fired->mountpoint, .action = ACTION_WILL};
    /* Borrowed again: its time to live begins now. */
    struct message message = *will->message;
    message.refs = 0;
    message.held = NULL;
    message.expires_ms = will->expires ? broker->wall_ms + (int64_t)will->expiry_s * 1000 : 0;
    count_refused(broker, publish_route(broker, &origin, &message));
    message_end(&message);
}

static size_t fired_size(const struct fired_will *fired)
{
    return sizeof *fired + strlen(fired->mountpoint) + fired->principal->client_id_len +
           message_size(fired->will->message);
}

static bool rate_allows(struct broker *broker)
{
    uint64_t second = broker->mono_ms / 1000;
    if (second != broker->wills_second) {
        broker->wills_second = second;
        broker->wills_fired = 0;
    }
    if (broker->wills_fired >= broker->limits->wills_per_second)
        return false;
    broker->wills_fired++;
    return true;
}

/* The session that it came from is to survive, and so is what it has left to be said. */
static void note_down(struct broker *broker, struct fired_will *fired)
{
    const struct principal *who = fired->principal;
    const struct record_fired record = {.identity = record_of_identity(who->identity),
                                        .client_id = slice_of(who->client_id, who->client_id_len),
                                        .mountpoint = slice_of_str(fired->mountpoint),
                                        .will = record_of_will(fired->will)};
    uint8_t key[NOTE_KEY];
    size_t room = record_fired_room(&record);
    uint8_t *body = malloc(room);
    if (!body)
        return;
    struct writer w = writer_of(body, room);
    record_fired_encode(&record, &w);
    uint64_t number = durable_number(broker);
    if (!w.overflow && durable_note(broker, note_key(number, key), slice_of(body, writer_len(&w))))
        fired->note = number;
    free(body);
}

static void hold_back(struct broker *broker, struct fired_will *fired, bool lasting)
{
    if (broker->wills_bytes + fired_size(fired) > broker->limits->wills_bytes) {
        broker->stats.dropped[DROP_QUEUE_FULL]++;
        fired_free(broker, fired);
        return;
    }
    broker->wills_bytes += fired_size(fired);
    list_append(&broker->wills, &fired->link);
    if (lasting)
        note_down(broker, fired);
}

static struct fired_will *fired_new(struct principal *principal, struct will *will,
                                    const char *mountpoint)
{
    size_t size = strlen(mountpoint) + 1;
    struct fired_will *fired = malloc(sizeof *fired + size);
    if (!fired)
        return NULL;
    fired->principal = principal_ref(principal);
    fired->will = will;
    fired->note = 0;
    memcpy(fired->mountpoint, mountpoint, size);
    list_init(&fired->link);
    return fired;
}

void will_fire(struct session *session)
{
    struct broker *broker = session->broker;
    struct will *will = session->will;
    if (!will)
        return;
    session->will = NULL; /* once only, whatever routing it may cause */
    durable_will_fired(session);
    bool lasting = session_number(session) != 0;
    struct principal *principal = session_principal(session);
    struct fired_will *fired = principal ? fired_new(principal, will, session->mountpoint) : NULL;
    if (!fired) {
        broker->stats.dropped[DROP_NO_MEMORY]++;
        will_free(will);
        return;
    }
    if (list_empty(&broker->wills) && rate_allows(broker)) {
        say(broker, fired);
        fired_free(broker, fired);
    } else {
        hold_back(broker, fired, lasting);
    }
}

bool will_restore(struct broker *broker, struct slice key, const struct record_fired *record)
{
    if (key.len != NOTE_KEY || memcmp(key.at, "\0will", 5) != 0)
        return false;
    const char *mountpoint = intern(broker, record->mountpoint);
    struct identity *identity = identity_restore(
        record->identity.name, record->identity.common_name, record->identity.proof);
    struct principal *who =
        identity ? principal_new(identity, record->client_id, record->mountpoint.len) : NULL;
    struct will *will = who && mountpoint ? restore_will(&record->will) : NULL;
    struct fired_will *fired = will ? fired_new(who, will, mountpoint) : NULL;
    if (will && !fired)
        will_free(will);
    identity_unref(identity);
    principal_unref(who);
    if (!fired) {
        broker->durable.incomplete = true;
        return true;
    }
    for (int i = 0; i < 8; i++)
        fired->note = fired->note << 8 | key.at[5 + i];
    broker->wills_bytes += fired_size(fired);
    list_append(&broker->wills, &fired->link);
    return true;
}

/* What the rate leaves over waits for the housekeeping timer, which begins a turn each second. */
void will_work(struct broker *broker)
{
    struct list *link;
    while ((link = list_first(&broker->wills)) != NULL && rate_allows(broker)) {
        struct fired_will *fired = list_item(link, struct fired_will, link);
        broker->wills_bytes -= fired_size(fired);
        say(broker, fired);
        fired_free(broker, fired);
    }
}

void wills_clear(struct broker *broker)
{
    struct list *link;
    while ((link = list_first(&broker->wills)) != NULL)
        fired_free(broker, list_item(link, struct fired_will, link));
}
