/* answer: see answer.h. The last room on the way out: resource -> answer -> peer_send. */
#include "protocols/coap/answer.h"

#include "base/hash.h"
#include "protocols/coap/echo.h"
#include "protocols/coap/encode.h"
#include "protocols/coap/home.h"
#include "protocols/coap/topics.h"

enum {
    ETAG_SIZE = 8,
    OPTIONS_MOST = 128, /* of all that an answer may carry */
    MESSAGE_MOST = 4 + 2 + COAP_TOKEN_MOST + OPTIONS_MOST + 1 + 1024,
    OVERHEAD = 4 + 8 + 60, /* what a datagram commonly holds beside its payload */
    SZX_MOST = 6,
};

/* Where a message is going and how it begins. */
struct head {
    enum coap_type type;
    uint16_t id;
    struct slice token;
};

uint64_t coap_etag_of(struct slice payload, uint32_t format)
{
    return hash_slice(payload) ^ (uint64_t)format * UINT64_C(0x9e3779b97f4a7c15);
}

static uint8_t szx_of(uint64_t size)
{
    uint8_t szx = 0;
    while (szx < SZX_MOST && UINT64_C(32) << szx <= size)
        szx++;
    return szx;
}

uint8_t coap_szx_of(const struct coap_endpoint *e)
{
    size_t most = peer_datagram_most(e->peer);
    uint64_t size = coap_options_of(e)->block_size;
    most = most > OVERHEAD ? most - OVERHEAD : 0;
    return szx_of(size < most ? size : most);
}

/* One message, whole, to `room`. Returns its length, 0 when it does not fit. */
static size_t encode(uint8_t *room, const struct head *head, const struct coap_answer *a,
                     struct slice payload, const struct coap_block *block2)
{
    struct writer w = writer_of(room, MESSAGE_MOST);
    uint32_t last = 0;
    coap_write_head(&w, head->type, a->code, head->id, head->token);
    if (a->has_etag) {
        uint8_t etag[ETAG_SIZE];
        memcpy(etag, &a->etag, sizeof etag);
        coap_write_option(&w, &last, COAP_ETAG, slice_of(etag, sizeof etag));
    }
    if (a->has_observe)
        coap_write_uint(&w, &last, COAP_OBSERVE, a->observe & 0xffffff);
    if (a->location) {
        uint8_t level[COAP_ID_LEN];
        coap_topic_level(a->location, level);
        coap_write_option(&w, &last, COAP_LOCATION_PATH, SLICE("ps"));
        coap_write_option(&w, &last, COAP_LOCATION_PATH, slice_of(level, sizeof level));
    }
    if (a->format != COAP_NO_FORMAT)
        coap_write_uint(&w, &last, COAP_CONTENT_FORMAT, a->format);
    if (a->has_max_age)
        coap_write_uint(&w, &last, COAP_MAX_AGE, a->max_age);
    if (block2)
        coap_write_block(&w, &last, COAP_BLOCK2, *block2);
    if (a->has_block1)
        coap_write_block(&w, &last, COAP_BLOCK1, a->block1);
    if (block2 && block2->number == 0)
        coap_write_uint(&w, &last, COAP_SIZE2, (uint32_t)a->payload.len);
    if (a->has_size1)
        coap_write_uint(&w, &last, COAP_SIZE1, a->size1);
    coap_write_payload(&w, payload);
    return w.overflow ? 0 : writer_len(&w);
}

/* The same with an Echo, and nothing else. */
static size_t encode_echo(uint8_t *room, const struct head *head, struct slice echo)
{
    struct writer w = writer_of(room, MESSAGE_MOST);
    uint32_t last = 0;
    coap_write_head(&w, head->type, COAP_UNAUTHORIZED, head->id, head->token);
    if (echo.len)
        coap_write_option(&w, &last, COAP_ECHO, echo);
    return w.overflow ? 0 : writer_len(&w);
}

static void send(struct coap_endpoint *e, struct slice message, uint64_t promise)
{
    uint8_t *to = promise ? peer_reserve_after(e->peer, message.len, promise)
                          : peer_reserve(e->peer, message.len);
    if (!to)
        return;
    memcpy(to, message.at, message.len);
    broker_stats(peer_broker(e->peer))->messages_sent++;
}

/* Demands that the address be proven; without Echo where even that would be too much to send. */
static void demand_echo(struct coap_endpoint *e, struct coap_home *home, const struct head *head)
{
    uint8_t message[MESSAGE_MOST], echo[COAP_ECHO_SIZE];
    coap_echo_make(home, e, echo);
    size_t len = encode_echo(message, head, slice_of(echo, sizeof echo));
    if (len > peer_allowance(e->peer))
        len = encode_echo(message, head, SLICE_EMPTY);
    if (len && len <= peer_allowance(e->peer))
        send(e, slice_of(message, len), 0);
}

/* Cuts the block that is asked for out of the payload. False: there is no such block. */
static bool cut(const struct coap_endpoint *e, const struct coap_request *request,
                const struct coap_answer *answer, struct coap_block *block, struct slice *piece)
{
    struct coap_block wish = request->has_block2 ? request->block2 : (struct coap_block){.szx = 7};
    uint8_t most = coap_szx_of(e);
    *block = (struct coap_block){.number = wish.number, .szx = wish.szx};
    if (wish.szx > most) { /* RFC 7959 section 2.4: the smaller size, the same place */
        block->szx = most;
        block->number = wish.number << (wish.szx - most);
    }
    uint64_t offset = coap_block_offset(*block), size = coap_block_size(*block);
    if (offset && offset >= answer->payload.len)
        return false;
    *piece = slice_from(answer->payload, (size_t)offset);
    block->more = piece->len > size;
    if (block->more)
        piece->len = (size_t)size;
    return true;
}

/* Whether the one who asks wants to hear this (RFC 7967). */
static bool is_wanted(const struct coap_request *request, uint8_t code)
{
    unsigned bit = coap_class(code) - 1; /* 2.xx is bit 1 */
    return !(request->no_response >> bit & 1);
}

/* A message id for an answer that is no acknowledgement. To a stranger, of whom nothing is
 * remembered: as little repeated as his own ids are, and as hard to guess as the key. */
static uint16_t fresh_id(struct coap_endpoint *e, const struct coap_home *home,
                         const struct coap_request *request)
{
    if (e->known || e->serial)
        return coap_endpoint_next_id(e);
    struct coap_where where = coap_endpoint_where(e);
    return request->message.id ^
           (uint16_t)siphash(home->key, slice_of(where.bytes, sizeof where.bytes));
}

void coap_answer_send(struct coap_endpoint *e, struct coap_home *home,
                      const struct coap_request *request, struct coap_answer *answer)
{
    const struct coap_message *m = &request->message;
    uint8_t message[MESSAGE_MOST];
    struct coap_block block2;
    struct slice piece = answer->payload;
    struct head head = {.type = COAP_ACK, .id = m->id, .token = m->token};
    if (!is_wanted(request, answer->code)) {
        if (m->type == COAP_CON) /* received it was (RFC 7967 section 2) */
            coap_empty_send(e, COAP_ACK, m->id);
        return;
    }
    if (m->type == COAP_NON) {
        head.type = COAP_NON;
        head.id = fresh_id(e, home, request);
    }
    if (answer->echo) {
        demand_echo(e, home, &head);
        return;
    }
    bool whole =
        answer->payload.len <= coap_block_size((struct coap_block){.szx = coap_szx_of(e)}) &&
        !(request->has_block2 && answer->code == COAP_CONTENT);
    if (!whole && !cut(e, request, answer, &block2, &piece)) {
        *answer = coap_answer_of(COAP_BAD_REQUEST, "no such block");
        piece = answer->payload;
        whole = true;
    }
    bool verified = peer_is_verified(e->peer);
    if (!piece.len && answer->why)
        piece = slice_of_str(answer->why);
    size_t len = encode(message, &head, answer, piece, whole ? NULL : &block2);
    if (!verified && len > peer_allowance(e->peer) && !answer->payload.len && answer->why)
        len = encode(message, &head, answer, SLICE_EMPTY, NULL); /* it says the same in less */
    if (!verified && len > peer_allowance(e->peer) && answer->payload.len)
        demand_echo(e, home, &head);
    else if (len && (verified || len <= peer_allowance(e->peer)))
        send(e, slice_of(message, len), answer->promise);
}

void coap_notification_send(struct coap_endpoint *e, enum coap_type type, uint16_t id,
                            struct slice token, struct coap_answer *answer, uint8_t szx)
{
    uint8_t message[MESSAGE_MOST];
    struct head head = {type, id, token};
    struct coap_block block2 = {.szx = szx};
    struct slice piece = answer->payload;
    bool whole = piece.len <= coap_block_size(block2);
    if (!whole) { /* RFC 7959 section 2.6 */
        piece.len = coap_block_size(block2);
        block2.more = true;
        answer->has_etag = true;
        answer->etag = coap_etag_of(answer->payload, answer->format);
    }
    size_t len = encode(message, &head, answer, piece, whole ? NULL : &block2);
    if (len && (peer_is_verified(e->peer) || len <= peer_allowance(e->peer)))
        send(e, slice_of(message, len), 0);
}

void coap_empty_send(struct coap_endpoint *e, enum coap_type type, uint16_t id)
{
    uint8_t message[4];
    struct writer w = writer_of(message, sizeof message);
    coap_write_head(&w, type, COAP_EMPTY, id, SLICE_EMPTY);
    send(e, slice_of(message, sizeof message), 0);
}
