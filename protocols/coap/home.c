/* home: see home.h. */
#include "protocols/coap/home.h"

#include "base/hash.h"
#include "base/random.h"
#include "protocols/coap/kept.h"

#include <stdlib.h>

static struct coap_home *only;

static struct coap_home *make(struct broker *broker)
{
    struct coap_home *home = calloc(1, sizeof *home);
    if (!home)
        return NULL;
    home->broker = broker;
    random_bytes(home->key, sizeof home->key);
    coap_uploads_init(&home->uploads);
    coap_topics_init(&home->topics, broker);
    coap_kept_begin(home);
    return home;
}

struct coap_home *coap_home_of(struct broker *broker)
{
    if (only && only->broker == broker)
        return only;
    coap_home_clear();
    return only = make(broker);
}

void coap_home_clear(void)
{
    if (!only)
        return;
    coap_exchanges_clear(&only->exchanges);
    coap_uploads_clear(&only->uploads);
    coap_topics_clear(&only->topics);
    for (size_t i = 0; i < COAP_MOUNTS; i++)
        principal_unref(only->anonymous[i]);
    buffer_clear(&only->topic);
    buffer_clear(&only->page);
    free(only->rates);
    free(only);
    only = NULL;
}

struct principal *coap_home_anonymous(struct coap_home *home, size_t mountpoint_len)
{
    size_t at = 0;
    while (at < COAP_MOUNTS && home->anonymous[at] &&
           home->anonymous[at]->mountpoint_len != mountpoint_len)
        at++;
    if (at == COAP_MOUNTS) { /* more listeners than places: the last place changes hands */
        at = COAP_MOUNTS - 1;
        principal_unref(home->anonymous[at]);
        home->anonymous[at] = NULL;
    }
    if (!home->anonymous[at]) {
        struct identity *identity = identity_of_nobody();
        home->anonymous[at] =
            identity ? principal_new(identity, SLICE("coap"), mountpoint_len) : NULL;
    }
    return home->anonymous[at];
}

bool coap_home_admits(struct coap_home *home, struct slice address, uint64_t now_ms, uint64_t most)
{
    if (!home->rates && !(home->rates = calloc(COAP_RATES, sizeof *home->rates)))
        return false;
    struct coap_rate *rate = &home->rates[hash_slice(address) % COAP_RATES];
    uint32_t second = (uint32_t)(now_ms / 1000);
    if (rate->second != second)
        *rate = (struct coap_rate){.second = second};
    return rate->count < most && ++rate->count;
}
