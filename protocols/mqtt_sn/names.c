/* names: between topics and what a client calls them (MQTT-SN 1.2 sections 6.5 and 6.7): ids that
 * it was given, ids known beforehand, names of two bytes. */
#include "protocols/mqtt_sn/packets.h"

#include "protocols/mqtt_sn/predefined.h"
#include "protocols/mqtt_sn/traffic.h"

/* For whom an id is not to be given: it means something to that client already. */
struct client {
    const char *predefined;
    struct slice id;
};

static bool is_predefined(const void *of, uint16_t id)
{
    const struct client *client = of;
    return client->predefined && sn_predefined_topic(client->predefined, client->id, id).len;
}

struct slice sn_name_of(const struct sn_gate *gate, const struct sn_connection *c,
                        struct slice client_id, enum sn_id_type type, uint16_t id, uint8_t two[2])
{
    const struct sn_topic *topic;
    switch (type) {
    case SN_ID_NORMAL:
        topic = c ? sn_topics_find(c->topics, id) : NULL;
        return topic ? slice_of(topic->name, topic->len) : SLICE_EMPTY;
    case SN_ID_PREDEFINED:
        return sn_predefined_topic(sn_options_of(gate)->predefined, client_id, id);
    case SN_ID_SHORT:
        two[0] = (uint8_t)(id >> 8);
        two[1] = (uint8_t)id;
        return slice_of(two, 2);
    case SN_ID_RESERVED:
        break;
    }
    return SLICE_EMPTY;
}

/* Whether it may have one more name. What has to be proven for that is asked for. */
static bool is_room(struct sn_connection *c)
{
    if (c->topics->count >= sn_options_of(c->gate)->topics)
        return false;
    if (peer_is_verified(c->gate->peer) || sn_topics_size(c->topics) < SN_UNPROVEN_MOST)
        return true;
    sn_probe(c);
    return false;
}

struct sn_topic *sn_row_of(struct sn_connection *c, struct slice name)
{
    const struct sn_options *options = sn_options_of(c->gate);
    struct client client = {options->predefined, session_client_id(c->session)};
    struct sn_topic *topic = sn_topics_named(c->topics, name);
    if (topic)
        return topic;
    if (!c->topics)
        c->topics = sn_topics_new();
    if (!c->topics || !is_room(c))
        return NULL;
    topic = sn_topics_add(c->topics, name, is_predefined, &client);
    if (topic && (!c->clean || sn_is_sleeping(c))) {
        struct sn_memory memory;
        sn_recall(c->session, &memory);
        sn_remember(c, &memory); /* without memory for it the next connection gives other ids */
    }
    return topic;
}

bool sn_number_of(struct sn_connection *c, struct slice name, struct sn_named *named)
{
    const char *predefined = sn_options_of(c->gate)->predefined;
    *named = (struct sn_named){.type = SN_ID_PREDEFINED};
    if (predefined) {
        named->id = sn_predefined_id(predefined, session_client_id(c->session), name);
        if (named->id)
            return true;
    }
    named->topic = sn_topics_named(c->topics, name);
    if (!named->topic && name.len == 2) {
        named->type = SN_ID_SHORT;
        named->id = (uint16_t)(name.at[0] << 8 | name.at[1]);
        return true;
    }
    if (!named->topic)
        named->topic = sn_row_of(c, name);
    if (!named->topic)
        return false;
    named->type = SN_ID_NORMAL;
    named->id = named->topic->id;
    return true;
}
