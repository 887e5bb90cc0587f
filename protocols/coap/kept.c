/* kept: see kept.h.
 *
 * Invariants: a note is there for each observation whose `kept` is set, and for none that has ended
 * while siotd ran; no Observe number above home->number_limit is said to one that is kept, and
 * that limit is noted before it is reached. */
#include "protocols/coap/kept.h"

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/log.h"
#include "protocols/coap/coap.h"

#include <stdlib.h>

enum {
    NUMBERS = 65536,        /* taken at once: 17 minutes of the clock */
    NUMBERS_LEFT = 32768,   /* the next ones are taken in time to be on disk when they are said */
    PROBE_AFTER_MS = 1000,  /* after the start, when the first observer is asked if he is there */
    PROBES_PER_SECOND = 500 /* of all together, so that their answers find room */
};

static const char owner[] = "coap observe", numbers[] = "coap numbers";

/* ---- one relation ---- */

static struct coap_relation relation_of(const struct coap_observation *o,
                                        uint8_t endpoint[PEER_ENDPOINT_SIZE],
                                        uint8_t place[PEER_PLACE_SIZE])
{
    const struct peer *peer = o->e->peer;
    return (struct coap_relation){
        .listener = slice_of_str(peer_listener(peer)->name),
        .endpoint = slice_of(endpoint, peer_endpoint(peer, endpoint)),
        .token = slice_of(o->text, o->token_len),
        .place = slice_of(place, peer_place(peer, place)),
        .mountpoint = coap_mountpoint_of(o->e),
        .name = slice_of(o->text + o->token_len, o->name_len),
        .format = o->format,
        .szx = o->szx,
    };
}

/* Notes it under its key, or removes that; whether it could. */
static bool note(const struct coap_observation *o, bool stays)
{
    struct broker *broker = peer_broker(o->e->peer);
    uint8_t endpoint[PEER_ENDPOINT_SIZE], place[PEER_PLACE_SIZE];
    struct coap_relation relation = relation_of(o, endpoint, place);
    size_t key_room = coap_relation_key_room(&relation), room = coap_relation_room(&relation);
    uint8_t *bytes = malloc(key_room + room);
    if (!bytes)
        return false;
    struct writer key = writer_of(bytes, key_room), content = writer_of(bytes + key_room, room);
    coap_relation_write_key(&relation, &key);
    if (stays)
        coap_relation_write(&relation, &content);
    struct slice name = slice_of(bytes, writer_len(&key)), former;
    struct slice value = stays ? slice_of(bytes + key_room, writer_len(&content)) : SLICE_EMPTY;
    bool noted = !key.overflow && !content.overflow;
    bool same = stays && noted && broker_find_note(broker, owner, name, &former) &&
                slice_equal(former, value);
    if (noted && !same)
        noted = broker_note(broker, owner, name, value) == 0;
    free(bytes);
    return noted;
}

void coap_keep(struct coap_observation *o)
{
    const struct peer *peer = o->e->peer;
    if (peer_is_private(peer) || (!o->kept && !broker_can_keep(peer_broker(peer))))
        return;
    if (note(o, true))
        o->kept = true;
}

void coap_keep_no_more(struct coap_observation *o)
{
    if (o->kept)
        (void)note(o, false); /* without memory for it, it is asked and let go after a restart */
    o->kept = false;
}

/* ---- numbers ---- */

uint64_t coap_kept_floor(const struct coap_home *home)
{
    return home->number_floor;
}

void coap_kept_say(struct coap_home *home, uint64_t number)
{
    uint8_t bytes[8];
    struct writer w = writer_of(bytes, sizeof bytes);
    if (number + NUMBERS_LEFT <= home->number_limit)
        return;
    uint64_t limit = number + NUMBERS;
    writer_u64(&w, limit);
    if (broker_note(home->broker, numbers, SLICE_EMPTY, slice_of(bytes, sizeof bytes)) == 0)
        home->number_limit = limit;
}

void coap_kept_begin(struct coap_home *home)
{
    struct slice value;
    if (!broker_find_note(home->broker, numbers, SLICE_EMPTY, &value))
        return;
    struct cursor c = cursor_of(value);
    uint64_t limit = cursor_u64(&c);
    if (c.failed)
        return;
    home->number_limit = limit;
    home->number_floor = limit + 1;
}

/* ---- after a restart ---- */

/* All that was noted: notes may not change while they are walked. */
static void collect(void *to, struct slice name, struct slice value)
{
    struct buffer *all = to;
    uint32_t lens[2] = {(uint32_t)name.len, (uint32_t)value.len};
    uint8_t *at = buffer_room(all, sizeof lens + name.len + value.len);
    if (!at)
        return; /* it stays noted for a start with more memory */
    memcpy(at, lens, sizeof lens);
    struct writer w = writer_of(at + sizeof lens, name.len + value.len);
    writer_bytes(&w, name);
    writer_bytes(&w, value);
    all->len += (uint32_t)(sizeof lens + name.len + value.len);
}

/* Whether it goes on. */
static bool resume(struct coap_home *home, struct loop *loop, struct slice name, struct slice value,
                   size_t nth)
{
    struct coap_relation relation;
    void *state;
    if (!coap_relation_read(name, value, &relation))
        return false;
    struct peer *peer =
        peer_recall(loop, &coap_protocol, relation.listener, relation.place, &state);
    if (!peer)
        return false;
    struct coap_endpoint *e = state;
    e->known = e->recalled = true;
    uint64_t probe_ms = peer_now_ms(peer) + PROBE_AFTER_MS + nth * 1000 / PROBES_PER_SECOND;
    bool goes_on = slice_equal(relation.mountpoint, coap_mountpoint_of(e)) &&
                   coap_observe_again(e, home, &relation, probe_ms);
    e->recalled = false;
    return goes_on;
}

static void resume_all(struct coap_home *home, struct loop *loop, const struct buffer *all)
{
    struct cursor c = cursor_of(buffer_slice(all));
    size_t count = 0, dropped = 0;
    while (cursor_left(&c)) {
        uint32_t lens[2];
        memcpy(lens, cursor_take(&c, sizeof lens).at, sizeof lens);
        struct slice name = cursor_take(&c, lens[0]), value = cursor_take(&c, lens[1]);
        if (resume(home, loop, name, value, count)) {
            count++;
            continue;
        }
        dropped++;
        (void)broker_note(home->broker, owner, name, SLICE_EMPTY);
    }
    if (count)
        log_line(LOG_INFO, "coap", "observations that go on after the restart: %zu", count);
    if (dropped)
        log_line(
            LOG_WARNING, "coap",
            "observations that do not go on after the restart: %zu; their listener has gone or "
            "changed, has no room, or they are not permitted any more",
            dropped);
}

void coap_kept_recall(struct broker *broker, struct loop *loop)
{
    struct buffer all = {0};
    broker_each_note(broker, owner, collect, &all);
    struct coap_home *home = all.len ? coap_home_of(broker) : NULL;
    if (home)
        resume_all(home, loop, &all);
    buffer_clear(&all);
}
