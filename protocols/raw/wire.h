/* wire: raw datagrams as bytes: one line with a verb, and behind it a payload.
 *
 * The first and the last room of the protocol on the way of a message: raw_decode on the way in,
 * raw_encode_* on the way out. Pure: nothing is allocated, slices point into what was given.
 *
 *   device:  PUB <topic> [retain] [id=N]\n<payload>    SUB <filter> [qos=0|1]    UNSUB <filter>
 *            PING    ACK N    BYE
 *   siotd:   OK [id=N]    ACK N    MSG <topic> [id=N]\n<payload>    ERR <reason>    PONG    BYE
 *
 * A topic is one word. What cannot stand in a word (a blank, control characters) and '%' itself are
 * written %XX, two hexadecimal digits. The line ends with LF, CR LF or the datagram. */
#ifndef SIOTD_PROTOCOLS_RAW_WIRE_H
#define SIOTD_PROTOCOLS_RAW_WIRE_H

#include "base/slice.h"
#include "base/writer.h"

enum raw_verb {
    RAW_PUB,
    RAW_SUB,
    RAW_UNSUB,
    RAW_PING,
    RAW_ACK,
    RAW_BYE,
    RAW_OK,
    RAW_MSG,
    RAW_PONG,
    RAW_ERR,
    RAW_VERBS,
};

enum raw_fault {
    RAW_GOOD,
    RAW_NO_VERB,   /* the first word is none: whatever it is, it is not in this language */
    RAW_NO_TOPIC,  /* the verb needs one */
    RAW_BAD_TOPIC, /* '%' without two digits behind it */
    RAW_BAD_ID,    /* no decimal number up to 2^64 - 1, or with zeros in front */
    RAW_BAD_WORD,  /* a word that the verb does not know, or the same one twice */
};

/* One datagram. All slices point into it. */
struct raw_line {
    enum raw_verb verb;
    struct slice topic;  /* PUB, SUB, UNSUB, MSG: as written (raw_read_topic) */
    struct slice reason; /* ERR: the rest of the line */
    struct slice payload;
    uint64_t id;
    uint8_t qos; /* SUB: 0 unless said */
    bool has_id, retain, qos_said;
};

/* Takes a datagram apart. Unless RAW_GOOD, only `verb` means something, and not even that with
 * RAW_NO_VERB. */
enum raw_fault raw_decode(struct slice datagram, struct raw_line *line);

/* What a topic as written stands for: itself when there is no '%' in it, else written to `room`, of
 * at least written.len bytes. Only for what raw_decode has let pass. */
struct slice raw_read_topic(struct slice written, uint8_t *room);

/* ---- writing ---- */

/* The exact number of bytes that raw_encode writes. In what is to be written, `topic` is the topic
 * itself. */
size_t raw_size(const struct raw_line *line);

/* Writes a datagram: the verb, what of the fields it can have, and for PUB and MSG a line feed and
 * the payload. Sets overflow where room ends. */
void raw_encode(struct writer *to, const struct raw_line *line);

/* ---- templates ---- */

/* Writes a template with the name of the device in the place of each ${device}. False: it needs one
 * and `device` is empty, or cannot be inside a level of a topic (it has '/', '+', '#', or '$' at
 * the very beginning of the topic), or the result is longer than the room. */
bool raw_fill_template(struct slice pattern, struct slice device, struct writer *to);

#endif
