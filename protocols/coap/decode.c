/* decode: see decode.h. First step on the way of a message: datagram -> message -> request.
 *
 * Invariant: every byte is taken through a cursor, so nothing is read outside the datagram whatever
 * its lengths claim. */
#include "protocols/coap/decode.h"

enum { VERSION = 1, MARKER = 0xff, EXTEND_8 = 13, EXTEND_16 = 14, RESERVED = 15 };

/* A nibble with its extension: RFC 7252 section 3.1, RFC 8974 section 2.1. */
static uint32_t extended(struct cursor *at, uint8_t nibble)
{
    switch (nibble) {
    case EXTEND_8:
        return 13u + cursor_u8(at);
    case EXTEND_16:
        return 269u + cursor_u16(at);
    case RESERVED:
        at->failed = true;
        return 0;
    default:
        return nibble;
    }
}

bool coap_next_option(struct coap_option_walk *walk, struct coap_option *option)
{
    struct cursor *at = &walk->at;
    if (at->failed || at->at == at->end || *at->at == MARKER)
        return false;
    uint8_t head = cursor_u8(at);
    /* In 32 bits: a sum that wrapped in 16 would turn into some other option. */
    uint32_t number = walk->number + extended(at, head >> 4);
    uint32_t len = extended(at, head & 15);
    option->value = cursor_take(at, len);
    if (number > COAP_OPTION_MOST)
        at->failed = true;
    option->number = walk->number = number;
    return !at->failed;
}

uint32_t coap_uint(struct slice value)
{
    uint32_t number = 0;
    for (size_t i = 0; i < value.len; i++)
        number = number << 8 | value.at[i];
    return number;
}

/* Code classes that requests and responses have; 1, 6 and 7 are reserved (RFC 7252 section 3). */
static bool is_class(unsigned code_class)
{
    return code_class == 0 || (code_class >= 2 && code_class <= 5);
}

enum coap_decoded coap_decode(struct slice datagram, struct coap_message *message)
{
    struct cursor at = cursor_of(datagram);
    uint8_t first = cursor_u8(&at);
    message->type = first >> 4 & 3;
    message->code = cursor_u8(&at);
    message->id = cursor_u16(&at);
    message->token = message->options = message->payload = SLICE_EMPTY;
    if (at.failed || first >> 6 != VERSION)
        return COAP_NOISE;
    if (message->code == COAP_EMPTY) /* RFC 7252 section 4.1 */
        return datagram.len == 4 && (first & 15) == 0 ? COAP_WHOLE : COAP_ILL_FORMED;
    uint32_t token_len = extended(&at, first & 15);
    message->token = cursor_take(&at, token_len);
    if (at.failed || token_len > COAP_TOKEN_MOST || !is_class(coap_class(message->code)))
        return COAP_ILL_FORMED;
    struct coap_option_walk walk = {at, 0};
    struct coap_option option;
    while (coap_next_option(&walk, &option))
        ;
    if (walk.at.failed)
        return COAP_ILL_FORMED;
    message->options = slice_of(at.at, (size_t)(walk.at.at - at.at));
    if (walk.at.at == walk.at.end)
        return COAP_WHOLE;
    (void)cursor_u8(&walk.at);
    message->payload = cursor_rest(&walk.at);
    return message->payload.len ? COAP_WHOLE : COAP_ILL_FORMED; /* RFC 7252 section 3 */
}

/* ---- a request ---- */

/* What is known of an option; a number without a row is unknown. */
struct rule {
    uint16_t number, least, most;
    bool repeats;
};

static const struct rule rules[] = {
    {COAP_IF_MATCH, 0, 8, true},
    {COAP_URI_HOST, 1, 255, false},
    {COAP_ETAG, 1, 8, true},
    {COAP_IF_NONE_MATCH, 0, 0, false},
    {COAP_OBSERVE, 0, 3, false},
    {COAP_URI_PORT, 0, 2, false},
    {COAP_URI_PATH, 0, 255, true},
    {COAP_CONTENT_FORMAT, 0, 2, false},
    {COAP_MAX_AGE, 0, 4, false},
    {COAP_URI_QUERY, 0, 255, true},
    {COAP_HOP_LIMIT, 1, 1, false},
    {COAP_ACCEPT, 0, 2, false},
    {COAP_BLOCK2, 0, 3, false},
    {COAP_BLOCK1, 0, 3, false},
    {COAP_SIZE2, 0, 4, false},
    {COAP_PROXY_URI, 1, 1034, false},
    {COAP_PROXY_SCHEME, 1, 255, false},
    {COAP_SIZE1, 0, 4, false},
    {COAP_ECHO, 1, 40, false},
    {COAP_NO_RESPONSE, 0, 1, false},
    {COAP_REQUEST_TAG, 0, 8, true},
};

static const struct rule *rule_of(uint32_t number)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0] && rules[i].number <= number; i++)
        if (rules[i].number == number)
            return &rules[i];
    return NULL;
}

/* Whether the option counts: known, of a length that it may have, and not one too many (RFC 7252
 * sections 5.4.1, 5.4.3, 5.4.5). */
static bool counts(const struct coap_option *option, uint32_t former)
{
    const struct rule *rule = rule_of(option->number);
    return rule && option->value.len >= rule->least && option->value.len <= rule->most &&
           (rule->repeats || former != option->number);
}

static struct coap_block block_of(struct slice value)
{
    uint32_t bits = coap_uint(value);
    return (struct coap_block){bits >> 4, bits >> 3 & 1, bits & 7};
}

/* Notes one more of a kind that repeats; `before` is the walk before it. */
static void note(struct coap_option_walk *first, uint16_t *count,
                 const struct coap_option_walk *before)
{
    if ((*count)++ == 0)
        *first = *before;
}

static void take(struct coap_request *r, const struct coap_option *option,
                 const struct coap_option_walk *before)
{
    struct slice value = option->value;
    switch (option->number) {
    case COAP_IF_MATCH:
        note(&r->if_match, &r->if_match_count, before);
        break;
    case COAP_ETAG:
        note(&r->etag, &r->etag_count, before);
        break;
    case COAP_IF_NONE_MATCH:
        r->if_none_match = true;
        break;
    case COAP_OBSERVE:
        r->has_observe = true;
        r->observe = coap_uint(value);
        break;
    case COAP_URI_PATH:
        note(&r->path, &r->path_count, before);
        break;
    case COAP_CONTENT_FORMAT:
        r->has_content_format = true;
        r->content_format = (uint16_t)coap_uint(value);
        break;
    case COAP_MAX_AGE:
        r->has_max_age = true;
        r->max_age = coap_uint(value);
        break;
    case COAP_URI_QUERY:
        note(&r->query, &r->query_count, before);
        break;
    case COAP_ACCEPT:
        r->has_accept = true;
        r->accept = (uint16_t)coap_uint(value);
        break;
    case COAP_BLOCK2:
        r->has_block2 = true;
        r->block2 = block_of(value);
        break;
    case COAP_BLOCK1:
        r->has_block1 = true;
        r->block1 = block_of(value);
        break;
    case COAP_SIZE1:
        r->has_size1 = true;
        r->size1 = coap_uint(value);
        break;
    case COAP_ECHO:
        r->has_echo = true;
        r->echo = value;
        break;
    case COAP_NO_RESPONSE:
        r->no_response = (uint8_t)coap_uint(value);
        break;
    case COAP_REQUEST_TAG: /* several make one key (RFC 9175 section 3.4); the last tells them apart
                              as well as any */
        r->has_request_tag = true;
        r->request_tag = value;
        break;
    default: /* Uri-Host, Uri-Port, Hop-Limit, Size2: nothing depends on them here */
        break;
    }
}

enum coap_fault coap_read_request(const struct coap_message *message, struct coap_request *request)
{
    *request = (struct coap_request){.message = *message};
    struct coap_option_walk walk = coap_walk_of(message->options), before = walk;
    struct coap_option option;
    bool proxying = false;
    while (coap_next_option(&walk, &option)) {
        if (counts(&option, before.number))
            take(request, &option, &before);
        else if (option.number & 1) /* critical: RFC 7252 section 5.4.6 */
            return COAP_CRITICAL;
        proxying |= option.number == COAP_PROXY_URI || option.number == COAP_PROXY_SCHEME;
        before = walk;
    }
    if (proxying) /* RFC 7252 section 5.7.2 */
        return COAP_PROXYING;
    return request->block1.szx == 7 || request->block2.szx == 7 ? COAP_BAD_BLOCK : COAP_FINE;
}

bool coap_next_of(struct coap_option_walk *walk, uint32_t number, struct slice *value)
{
    struct coap_option option;
    while (coap_next_option(walk, &option)) {
        if (option.number > number)
            return false;
        if (option.number == number && counts(&option, 0)) {
            *value = option.value;
            return true;
        }
    }
    return false;
}
