/* recent: the tables of what has been published and refused not long ago; see answered.h. */
#include "protocols/raw/answered.h"

#include "base/hash.h"
#include "protocols/raw/connection.h"

static struct answered *tables[RAW_RECENTS];

uint64_t raw_recent_key(const struct raw_connection *c, struct slice datagram)
{
    struct {
        uint64_t bytes, identity;
        const void *listener;
        uint8_t endpoint[PEER_ENDPOINT_SIZE];
    } all;
    const struct identity *identity = peer_identity(c->peer);
    memset(&all, 0, sizeof all);
    all.bytes = hash_slice(datagram);
    all.listener = peer_listener(c->peer);
    if (identity)
        all.identity = hash_slice(identity_name(identity));
    else
        peer_endpoint(c->peer, all.endpoint);
    return hash_slice(slice_of(&all, sizeof all));
}

bool raw_recent_find(enum raw_recently what, uint64_t key, uint64_t now_ms, uint64_t *promise)
{
    return tables[what] && answered_find(tables[what], key, now_ms, promise);
}

void raw_recent_put(enum raw_recently what, uint64_t entries, uint64_t key, uint64_t now_ms,
                    uint64_t until_ms, uint64_t promise)
{
    if (!tables[what])
        tables[what] = answered_new(entries);
    if (tables[what])
        answered_put(tables[what], key, now_ms, until_ms, promise);
}

void raw_recent_clear(void)
{
    for (int i = 0; i < RAW_RECENTS; i++) {
        answered_free(tables[i]);
        tables[i] = NULL;
    }
}
