/* aliases: see aliases.h. Pure but for memory.
 *
 * Aliases out go to the first topics that a client receives and stay: a device that subscribes
 * to few topics has all of them shortened, and nothing is ever sent to change one. */
#include "protocols/mqtt/aliases.h"

#include "base/hash.h"

#include <stdlib.h>

struct alias_topic {
    uint8_t *at; /* owned; NULL: never set */
    uint16_t len;
    uint32_t hash; /* out only */
};

struct mqtt_aliases_in {
    uint16_t count;
    struct alias_topic topics[]; /* by alias - 1 */
};

struct mqtt_aliases_out {
    uint16_t count;              /* given so far */
    struct alias_topic topics[]; /* by alias - 1 */
};

static bool remember(struct alias_topic *entry, struct slice topic)
{
    if (entry->at && slice_equal(slice_of(entry->at, entry->len), topic))
        return true;
    uint8_t *copy = malloc(topic.len + 1); /* never 0 */
    if (!copy)
        return false;
    if (topic.len)
        memcpy(copy, topic.at, topic.len);
    free(entry->at);
    entry->at = copy;
    entry->len = (uint16_t)topic.len;
    return true;
}

static bool no_memory(struct mqtt_fault *fault)
{
    return mqtt_fail(fault, MQTT_IMPLEMENTATION_SPECIFIC_ERROR, 0, "5.0 section 4.13",
                     "out of memory for a topic alias");
}

bool mqtt_aliases_resolve(struct mqtt_aliases_in **table, uint16_t max, uint16_t alias, bool valid,
                          struct slice *topic, struct mqtt_fault *fault)
{
    if (alias == 0 || alias > max)
        return mqtt_fail(fault, MQTT_TOPIC_ALIAS_INVALID, 0, "MQTT-3.3.2-9",
                         "topic alias above the Topic Alias Maximum");
    if (topic->len == 0) {
        const struct alias_topic *entry = *table ? &(*table)->topics[alias - 1] : NULL;
        if (!entry || !entry->at)
            return mqtt_fail(fault, MQTT_PROTOCOL_ERROR, 0, "5.0 section 3.3.2.3.4",
                             "topic alias that was never set");
        *topic = slice_of(entry->at, entry->len);
        return true;
    }
    if (!*table) {
        *table = calloc(1, sizeof **table + max * sizeof(struct alias_topic));
        if (!*table)
            return no_memory(fault);
        (*table)->count = max;
    }
    return remember(&(*table)->topics[alias - 1], valid ? *topic : SLICE_EMPTY) || no_memory(fault);
}

void mqtt_aliases_in_free(struct mqtt_aliases_in *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++)
        free(table->topics[i].at);
    free(table);
}

uint16_t mqtt_aliases_known(const struct mqtt_aliases_out *table, struct slice topic)
{
    if (!table)
        return 0;
    uint32_t hash = (uint32_t)hash_slice(topic);
    for (uint16_t i = 0; i < table->count; i++) {
        const struct alias_topic *entry = &table->topics[i];
        if (entry->hash == hash && slice_equal(slice_of(entry->at, entry->len), topic))
            return (uint16_t)(i + 1);
    }
    return 0;
}

uint16_t mqtt_aliases_next(const struct mqtt_aliases_out *table, uint16_t max)
{
    uint16_t given = table ? table->count : 0;
    return given < max ? (uint16_t)(given + 1) : 0;
}

void mqtt_aliases_told(struct mqtt_aliases_out **table, uint16_t max, struct slice topic)
{
    if (!*table)
        *table = calloc(1, sizeof **table + max * sizeof(struct alias_topic));
    if (!*table || (*table)->count >= max)
        return;
    struct alias_topic *entry = &(*table)->topics[(*table)->count];
    if (!remember(entry, topic))
        return;
    entry->hash = (uint32_t)hash_slice(topic);
    (*table)->count++;
}

void mqtt_aliases_out_free(struct mqtt_aliases_out *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++)
        free(table->topics[i].at);
    free(table);
}
