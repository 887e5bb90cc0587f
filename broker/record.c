/* record: see record.h.
 *
 * Form 1. A text is its length in 16 bits and its bytes; a blob the same with 32 bits; flags are
 * bits of one byte, and bits that mean nothing must be 0. */
#include "broker/record.h"
#include "base/cursor.h"

enum { FORM = 1 };

/* ---- pieces ---- */

static void put_text(struct writer *w, struct slice s)
{
    if (s.len > UINT16_MAX) {
        w->overflow = true;
        return;
    }
    writer_u16(w, (uint16_t)s.len);
    writer_bytes(w, s);
}

static struct slice take_text(struct cursor *c)
{
    size_t len = cursor_u16(c);
    return cursor_take(c, len);
}

static void put_blob(struct writer *w, struct slice s)
{
    if (s.len > UINT32_MAX) {
        w->overflow = true;
        return;
    }
    writer_u32(w, (uint32_t)s.len);
    writer_bytes(w, s);
}

static struct slice take_blob(struct cursor *c)
{
    size_t len = cursor_u32(c);
    return cursor_take(c, len);
}

/* One bit, if the flag is set. */
static uint8_t bit(bool flag, int at)
{
    return (uint8_t)(flag ? 1u << at : 0u);
}

static struct cursor begin(struct slice body)
{
    struct cursor c = cursor_of(body);
    if (cursor_u8(&c) != FORM)
        c.failed = true;
    return c;
}

/* A byte of flags of which only the bits in `known` may be set. */
static uint8_t take_flags(struct cursor *c, uint8_t known)
{
    uint8_t flags = cursor_u8(c);
    if (flags & ~known)
        c->failed = true;
    return flags;
}

static bool whole(const struct cursor *c)
{
    return !c->failed && cursor_left(c) == 0;
}

/* ---- identities and wills ---- */

enum { MOST_PROOF = 2, IDENTITY_ROOM = 8, WILL_ROOM = 32 };

static size_t identity_room(const struct record_identity *identity)
{
    return IDENTITY_ROOM + identity->name.len + identity->common_name.len;
}

static void put_identity(struct writer *w, const struct record_identity *identity)
{
    writer_u8(w, (uint8_t)(identity->proof | bit(identity->anonymous, 7)));
    put_text(w, identity->name);
    put_text(w, identity->common_name);
}

static struct record_identity take_identity(struct cursor *c)
{
    uint8_t first = take_flags(c, 0x83);
    struct record_identity identity = {.proof = first & 3, .anonymous = first >> 7};
    identity.name = take_text(c);
    identity.common_name = take_text(c);
    if (identity.proof > MOST_PROOF)
        c->failed = true;
    return identity;
}

static size_t will_room(const struct record_will *will)
{
    return WILL_ROOM + will->topic.len + will->payload.len + will->properties.len;
}

static void put_will(struct writer *w, const struct record_will *will)
{
    writer_u8(w, (uint8_t)(will->qos | bit(will->retain, 2) | bit(will->expires, 3)));
    writer_u32(w, will->delay_s);
    writer_u32(w, will->expiry_s);
    put_text(w, will->topic);
    put_blob(w, will->properties);
    put_blob(w, will->payload);
}

static struct record_will take_will(struct cursor *c)
{
    uint8_t flags = take_flags(c, 0x0f);
    struct record_will will = {
        .qos = flags & 3, .retain = flags >> 2 & 1, .expires = flags >> 3 & 1};
    will.delay_s = cursor_u32(c);
    will.expiry_s = cursor_u32(c);
    will.topic = take_text(c);
    will.properties = take_blob(c);
    will.payload = take_blob(c);
    if (will.qos > 2)
        c->failed = true;
    return will;
}

/* ---- sessions ---- */

size_t record_session_room(const struct record_session *record)
{
    return 40 + record->client_id.len + record->mountpoint.len + record->protocol.len +
           record->note.len + identity_room(&record->identity) +
           (record->has_will ? will_room(&record->will) : 0);
}

void record_session_encode(const struct record_session *record, struct writer *w)
{
    writer_u8(w, FORM);
    writer_u8(w, (uint8_t)(bit(record->has_will, 0) | bit(record->over, 1)));
    writer_u64(w, (uint64_t)record->away_ms);
    writer_u32(w, record->expiry_s);
    writer_u16(w, record->window);
    writer_u16(w, record->inbound_maximum);
    put_text(w, record->client_id);
    put_text(w, record->mountpoint);
    put_text(w, record->protocol);
    put_identity(w, &record->identity);
    put_blob(w, record->note);
    if (record->has_will)
        put_will(w, &record->will);
}

bool record_session_decode(struct slice body, struct record_session *record)
{
    struct cursor c = begin(body);
    uint8_t flags = take_flags(&c, 0x03);
    *record = (struct record_session){.has_will = flags & 1, .over = flags >> 1 & 1};
    record->away_ms = (int64_t)cursor_u64(&c);
    record->expiry_s = cursor_u32(&c);
    record->window = cursor_u16(&c);
    record->inbound_maximum = cursor_u16(&c);
    record->client_id = take_text(&c);
    record->mountpoint = take_text(&c);
    record->protocol = take_text(&c);
    record->identity = take_identity(&c);
    record->note = take_blob(&c);
    if (record->has_will)
        record->will = take_will(&c);
    return whole(&c) && record->client_id.len > 0 && record->away_ms >= 0;
}

/* ---- messages ---- */

size_t record_head_room(const struct record_head *record)
{
    return 24 + record->topic.len + record->properties.len +
           (record->has_author ? identity_room(&record->author) + record->author_client_id.len + 4
                               : 0);
}

void record_head_encode(const struct record_head *record, struct writer *w)
{
    writer_u8(w, FORM);
    writer_u8(w, (uint8_t)(record->qos | bit(record->retain, 2) | bit(record->has_author, 3)));
    writer_u64(w, (uint64_t)record->expires_ms);
    put_text(w, record->topic);
    put_blob(w, record->properties);
    if (!record->has_author)
        return;
    put_identity(w, &record->author);
    put_text(w, record->author_client_id);
    writer_u16(w, record->author_mountpoint_len);
}

bool record_head_decode(struct slice body, struct record_head *record)
{
    struct cursor c = begin(body);
    uint8_t flags = take_flags(&c, 0x0f);
    *record = (struct record_head){
        .qos = flags & 3, .retain = flags >> 2 & 1, .has_author = flags >> 3 & 1};
    record->expires_ms = (int64_t)cursor_u64(&c);
    record->topic = take_text(&c);
    record->properties = take_blob(&c);
    if (record->has_author) {
        record->author = take_identity(&c);
        record->author_client_id = take_text(&c);
        record->author_mountpoint_len = cursor_u16(&c);
    }
    return whole(&c) && record->topic.len > 0 && record->qos <= 2 && record->expires_ms >= 0 &&
           record->author_mountpoint_len <= record->topic.len;
}

/* ---- queues ---- */

size_t record_queued_room(const struct record_queued *record)
{
    return 16 + 4 * (size_t)record->identifier_count + record->group.len + record->filter.len;
}

void record_queued_encode(const struct record_queued *record, struct writer *w)
{
    bool shared = record->group.len > 0;
    writer_u8(w, FORM);
    writer_u8(w, (uint8_t)(record->qos | bit(record->retain, 2) | bit(record->released, 3) |
                           bit(shared, 4)));
    writer_u16(w, record->packet_id);
    writer_u32(w, record->size);
    writer_u16(w, record->identifier_count);
    for (uint16_t i = 0; i < record->identifier_count; i++)
        writer_u32(w, record->identifiers[i]);
    if (shared) {
        put_text(w, record->group);
        put_text(w, record->filter);
    }
}

bool record_queued_decode(struct slice body, struct record_queued *record)
{
    struct cursor c = begin(body);
    uint8_t flags = take_flags(&c, 0x1f);
    bool shared = flags >> 4 & 1;
    *record = (struct record_queued){
        .qos = flags & 3, .retain = flags >> 2 & 1, .released = flags >> 3 & 1};
    record->packet_id = cursor_u16(&c);
    record->size = cursor_u32(&c);
    record->identifier_count = cursor_u16(&c);
    record->identifier_bytes = cursor_take(&c, 4 * (size_t)record->identifier_count);
    if (shared) {
        record->group = take_text(&c);
        record->filter = take_text(&c);
    }
    if (!whole(&c) || record->qos < 1 || record->qos > 2)
        return false;
    if (shared && (record->group.len == 0 || record->filter.len == 0))
        return false;
    return !record->released || (record->qos == 2 && record->packet_id);
}

uint32_t record_identifier(const struct record_queued *record, uint16_t i)
{
    struct cursor c = cursor_of(slice_from(record->identifier_bytes, 4 * (size_t)i));
    return cursor_u32(&c);
}

/* ---- subscriptions ---- */

void record_subscription_encode(const struct record_subscription *record, struct writer *w)
{
    writer_u8(w, FORM);
    writer_u8(
        w, (uint8_t)(record->qos | bit(record->no_local, 2) | bit(record->retain_as_published, 3)));
    writer_u32(w, record->identifier);
}

bool record_subscription_decode(struct slice body, struct record_subscription *record)
{
    struct cursor c = begin(body);
    uint8_t flags = take_flags(&c, 0x0f);
    *record = (struct record_subscription){
        .qos = flags & 3, .no_local = flags >> 2 & 1, .retain_as_published = flags >> 3 & 1};
    record->identifier = cursor_u32(&c);
    return whole(&c) && record->qos <= 2;
}

/* ---- the core's own notes ---- */

size_t record_fired_room(const struct record_fired *record)
{
    return 8 + identity_room(&record->identity) + record->client_id.len + record->mountpoint.len +
           will_room(&record->will);
}

void record_fired_encode(const struct record_fired *record, struct writer *w)
{
    writer_u8(w, FORM);
    put_identity(w, &record->identity);
    put_text(w, record->client_id);
    put_text(w, record->mountpoint);
    put_will(w, &record->will);
}

bool record_fired_decode(struct slice body, struct record_fired *record)
{
    struct cursor c = begin(body);
    *record = (struct record_fired){0};
    record->identity = take_identity(&c);
    record->client_id = take_text(&c);
    record->mountpoint = take_text(&c);
    record->will = take_will(&c);
    return whole(&c) && record->will.topic.len > 0;
}

void record_number_encode(uint64_t number, struct writer *w)
{
    writer_u8(w, FORM);
    writer_u64(w, number);
}

bool record_number_decode(struct slice body, uint64_t *number)
{
    struct cursor c = begin(body);
    *number = cursor_u64(&c);
    return whole(&c);
}
