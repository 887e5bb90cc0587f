/* source: see source.h. Pure but for memory. */
#include "transports/source.h"

#include "transports/endpoint.h"
#include "transports/peer_state.h"
#include <errno.h>
#include <stdlib.h>

struct source {
    uint8_t key[SOURCE_KEY_SIZE];
    uint64_t connections; /* never 0 */
};

void source_name(const struct peer *peer, uint8_t key[SOURCE_KEY_SIZE])
{
    memset(key, 0, SOURCE_KEY_SIZE);
    if (peer->flags & PEER_IPV6) {
        key[0] = 6;
        memcpy(key + 1, *peer->address.ipv6, 8);
    } else if (peer_home(peer)->socket.family != AF_UNIX) {
        key[0] = 4;
        memcpy(key + 1, peer->address.ipv4, 4);
    }
}

void source_prefix(uint8_t key[SOURCE_KEY_SIZE], const uint8_t address[16], unsigned bits_ipv4,
                   unsigned bits_ipv6)
{
    bool ipv4 = endpoint_is_ipv4(address);
    memset(key, 0, SOURCE_KEY_SIZE);
    key[0] = ipv4 ? 4 : 6;
    memcpy(key + 1, ipv4 ? address + 12 : address, (ipv4 ? bits_ipv4 : bits_ipv6) / 8);
}

static struct slice key_of(const void *item)
{
    return slice_of(((const struct source *)item)->key, SOURCE_KEY_SIZE);
}

void sources_init(struct map *sources)
{
    map_init(sources, key_of);
}

void sources_clear(struct map *sources)
{
    struct source *source;
    for (size_t position = 0; (source = map_next(sources, &position)) != NULL;)
        free(source);
    map_clear(sources);
}

int sources_enter(struct map *sources, const struct peer *peer, uint64_t most)
{
    uint8_t key[SOURCE_KEY_SIZE];
    source_name(peer, key);
    return key[0] ? sources_enter_key(sources, key, most) : 0;
}

int sources_enter_key(struct map *sources, const uint8_t key[SOURCE_KEY_SIZE], uint64_t most)
{
    struct source *source = map_find(sources, slice_of(key, SOURCE_KEY_SIZE));
    if (source) {
        if (source->connections >= most)
            return -EUSERS;
        source->connections++;
        return 0;
    }
    source = malloc(sizeof(*source));
    if (!source)
        return -ENOMEM;
    memcpy(source->key, key, SOURCE_KEY_SIZE);
    source->connections = 1;
    int error = map_put(sources, source);
    if (error)
        free(source);
    return error;
}

void sources_leave(struct map *sources, const struct peer *peer)
{
    uint8_t key[SOURCE_KEY_SIZE];
    source_name(peer, key);
    sources_leave_key(sources, key);
}

void sources_leave_key(struct map *sources, const uint8_t key[SOURCE_KEY_SIZE])
{
    struct source *source = map_find(sources, slice_of(key, SOURCE_KEY_SIZE));
    if (source && --source->connections == 0)
        free(map_take(sources, slice_of(key, SOURCE_KEY_SIZE)));
}
