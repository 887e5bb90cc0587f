/* exchanges: see exchanges.h. request.c asks before it obeys, and notes afterwards.
 *
 * Invariant: each of the `count` entries from `first` on stands in the chain of its bucket, newest
 * first. */
#include "protocols/coap/exchanges.h"

#include "base/hash.h"

#include <stdlib.h>

enum { LEAST = 256 };

static uint32_t *bucket_of(const struct coap_exchanges *x, const struct coap_where *where,
                           uint16_t id)
{
    uint64_t hash = hash_slice(slice_of(where->bytes, sizeof where->bytes));
    return &x->buckets[(hash ^ (uint64_t)id * UINT64_C(0x9e3779b97f4a7c15) >> 16) &
                       (x->capacity - 1)];
}

static struct coap_exchange *at(const struct coap_exchanges *x, uint32_t index)
{
    return &x->ring[index & (x->capacity - 1)];
}

static uint32_t sum_of(const struct coap_message *request)
{
    uint64_t sum = request->code;
    sum = sum * 31 + hash_slice(request->token);
    sum = sum * 31 + hash_slice(request->options);
    sum = sum * 31 + hash_slice(request->payload);
    return (uint32_t)(sum >> 32);
}

static void link_in(struct coap_exchanges *x, uint32_t index)
{
    struct coap_exchange *e = at(x, index);
    uint32_t *bucket = bucket_of(x, &e->where, e->id);
    e->next = *bucket;
    *bucket = (index & (x->capacity - 1)) + 1;
}

static void forget_oldest(struct coap_exchanges *x)
{
    uint32_t index = x->first & (x->capacity - 1);
    struct coap_exchange *oldest = &x->ring[index];
    uint32_t *link = bucket_of(x, &oldest->where, oldest->id);
    while (*link != index + 1)
        link = &x->ring[*link - 1].next;
    *link = oldest->next;
    x->first++;
    x->count--;
}

static bool is_over(const struct coap_exchange *e, uint32_t now_s)
{
    return now_s - e->at_s > COAP_EXCHANGE_LIFETIME_S;
}

static bool grow(struct coap_exchanges *x, uint32_t capacity)
{
    struct coap_exchanges larger = {.capacity = capacity};
    larger.ring = malloc(capacity * sizeof *larger.ring);
    larger.buckets = calloc(capacity, sizeof *larger.buckets);
    if (!larger.ring || !larger.buckets) {
        free(larger.ring);
        free(larger.buckets);
        return false;
    }
    for (uint32_t i = 0; i < x->count; i++) {
        larger.ring[i] = *at(x, x->first + i);
        link_in(&larger, i);
    }
    larger.count = x->count;
    free(x->ring);
    free(x->buckets);
    *x = larger;
    return true;
}

bool coap_exchanges_find(struct coap_exchanges *x, const struct coap_where *where,
                         const struct coap_message *request, uint32_t now_s,
                         struct coap_outcome *outcome)
{
    uint16_t id = request->id;
    if (x->count == 0)
        return false;
    for (uint32_t next = *bucket_of(x, where, id); next; next = x->ring[next - 1].next) {
        const struct coap_exchange *e = &x->ring[next - 1];
        if (e->id == id && e->sum == sum_of(request) &&
            memcmp(&e->where, where, sizeof *where) == 0) {
            *outcome = (struct coap_outcome){e->topic, e->promise, e->code};
            return !is_over(e, now_s);
        }
    }
    return false;
}

void coap_exchanges_note(struct coap_exchanges *x, const struct coap_where *where,
                         const struct coap_message *request, uint32_t now_s,
                         const struct coap_outcome *outcome, uint32_t most)
{
    while (x->count && is_over(at(x, x->first), now_s))
        forget_oldest(x);
    while (x->count && x->count >= most) /* the limit may have been lowered */
        forget_oldest(x);
    if (x->count == x->capacity && !grow(x, x->capacity ? x->capacity * 2 : LEAST)) {
        if (x->count == 0)
            return; /* not even the first few: out of memory */
        forget_oldest(x);
    }
    *at(x, x->first + x->count) = (struct coap_exchange){.where = *where,
                                                         .topic = outcome->topic,
                                                         .promise = outcome->promise,
                                                         .at_s = now_s,
                                                         .sum = sum_of(request),
                                                         .id = request->id,
                                                         .code = outcome->code};
    link_in(x, x->first + x->count);
    x->count++;
}

void coap_exchanges_clear(struct coap_exchanges *x)
{
    free(x->ring);
    free(x->buckets);
    *x = (struct coap_exchanges){0};
}
