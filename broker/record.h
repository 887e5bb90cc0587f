/* record: the bodies of the rows that the core gives its store, and nothing else of them.
 *
 * durable.c -> encode -> store ... restart ... store -> decode -> restore.c. Pure, like a codec:
 * slices borrowed, nothing allocated. A body begins with the version of its form; numbers are in
 * network byte order. What is decoded is checked: a body that is not whole, or has more behind it,
 * or an unknown version is refused. */
#ifndef SIOTD_BROKER_RECORD_H
#define SIOTD_BROKER_RECORD_H

#include "base/slice.h"
#include "base/writer.h"

/* Who a session, or the author of a value, is. */
struct record_identity {
    struct slice name, common_name;
    uint8_t proof; /* enum proof */
    bool anonymous;
};

struct record_will {
    struct slice topic, payload, properties;
    uint32_t delay_s, expiry_s;
    uint8_t qos;
    bool retain, expires;
};

struct record_session {
    struct slice client_id, mountpoint, protocol, note;
    struct record_identity identity;
    struct record_will will; /* when has_will */
    int64_t away_ms;         /* wall clock: when its client left; 0: it is here */
    uint32_t expiry_s;
    uint16_t window, inbound_maximum;
    bool has_will;
    bool over; /* it has ended, and what it leaves behind is being cleared away */
};

/* All of a message but its payload. */
struct record_head {
    struct slice topic, properties;
    int64_t expires_ms; /* wall clock; 0: never */
    uint8_t qos;
    bool retain;
    bool has_author;
    struct record_identity author;
    struct slice author_client_id;
    uint16_t author_mountpoint_len;
};

/* One message in one session's queue, or under way to its client. */
struct record_queued {
    const uint32_t *identifiers;   /* to encode */
    struct slice identifier_bytes; /* decoded: record_identifier reads them */
    struct slice group, filter;    /* of the share it came from; group empty: of none. The filter is
                                      the router's, mountpoint included */
    uint32_t size;                 /* of the message, as queues count it */
    uint16_t identifier_count;
    uint16_t packet_id; /* 0: none yet */
    uint8_t qos;        /* 1 or 2 */
    bool retain;
    bool released; /* PUBREC has come: only the id is left */
};

struct record_subscription {
    uint32_t identifier;
    uint8_t qos;
    bool no_local, retain_as_published;
};

/* A will that the rate holds back, with all that it needs. */
struct record_fired {
    struct record_identity identity;
    struct slice client_id, mountpoint;
    struct record_will will;
};

/* At least the bytes that encoding takes. */
size_t record_session_room(const struct record_session *record);
size_t record_head_room(const struct record_head *record);
size_t record_queued_room(const struct record_queued *record);
size_t record_fired_room(const struct record_fired *record);
enum { RECORD_SUBSCRIPTION_ROOM = 8 };

/* Writes the body; the writer overflows when it had too little room, or when something is too long
 * for the form. */
void record_session_encode(const struct record_session *record, struct writer *w);
void record_head_encode(const struct record_head *record, struct writer *w);
void record_queued_encode(const struct record_queued *record, struct writer *w);
void record_subscription_encode(const struct record_subscription *record, struct writer *w);
void record_fired_encode(const struct record_fired *record, struct writer *w);

/* Reads one back; false when it is not a body of that sort. Slices point into `body`. */
bool record_session_decode(struct slice body, struct record_session *record);
bool record_head_decode(struct slice body, struct record_head *record);
bool record_queued_decode(struct slice body, struct record_queued *record);
bool record_subscription_decode(struct slice body, struct record_subscription *record);
bool record_fired_decode(struct slice body, struct record_fired *record);

/* The i-th subscription identifier of a decoded one. */
uint32_t record_identifier(const struct record_queued *record, uint16_t i);

/* A 64-bit number as a body (the core's own notes). */
void record_number_encode(uint64_t number, struct writer *w);
bool record_number_decode(struct slice body, uint64_t *number);

#endif
