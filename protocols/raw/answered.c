/* answered: see answered.h. Stands beside the way of a message. Buckets of four; a key lives in one
 * bucket only. */
#include "protocols/raw/answered.h"

#include <stdlib.h>

enum { WAYS = 4 };

struct entry {
    uint64_t key, until_ms; /* until_ms 0: empty */
    uint64_t promise;
};

struct answered {
    uint64_t buckets;
    struct entry entries[];
};

struct answered *answered_new(uint64_t entries)
{
    uint64_t buckets = entries / WAYS;
    struct answered *answered =
        calloc(1, sizeof *answered + buckets * WAYS * sizeof answered->entries[0]);
    if (answered)
        answered->buckets = buckets;
    return answered;
}

void answered_free(struct answered *answered)
{
    free(answered);
}

bool answered_find(const struct answered *answered, uint64_t key, uint64_t now_ms,
                   uint64_t *promise)
{
    const struct entry *bucket = &answered->entries[key % answered->buckets * WAYS];
    for (int i = 0; i < WAYS; i++)
        if (bucket[i].key == key && bucket[i].until_ms > now_ms) {
            if (promise)
                *promise = bucket[i].promise;
            return true;
        }
    return false;
}

void answered_put(struct answered *answered, uint64_t key, uint64_t now_ms, uint64_t until_ms,
                  uint64_t promise)
{
    struct entry *bucket = &answered->entries[key % answered->buckets * WAYS];
    struct entry *place = bucket;
    for (int i = 0; i < WAYS; i++) {
        if (bucket[i].key == key || bucket[i].until_ms <= now_ms) {
            place = &bucket[i];
            break;
        }
        if (bucket[i].until_ms < place->until_ms)
            place = &bucket[i];
    }
    *place = (struct entry){key, until_ms, promise};
}
