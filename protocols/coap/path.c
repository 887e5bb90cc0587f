/* path: what the path of a request leads to; see call.h.
 *
 * Each Uri-Path option is one level (RFC 7252 section 5.10.1): a '/' inside one is no separator,
 * and no topic has such a level. The topic is put together in the home's buffer, behind the
 * mountpoint, where it stays for the call. */
#include "base/utf8.h"
#include "protocols/coap/call.h"

/* What a level of a topic may not hold, and the two that a URI never sends [MQTT-4.7.1-1]. */
static bool is_level(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] == '/' || s.at[i] == '+' || s.at[i] == '#' || s.at[i] == 0)
            return false;
    return !slice_equal(s, SLICE(".")) && !slice_equal(s, SLICE(".."));
}

/* A topic that was created behind the mountpoint of this listener. */
static struct coap_topic *created(const struct coap_call *call, struct slice level)
{
    struct coap_topic *topic = coap_topics_named(&call->home->topics, level);
    bool ours = topic && slice_equal(slice_of(topic->text, topic->mountpoint_len),
                                     slice_of_str(call->mountpoint));
    return ours ? topic : NULL;
}

/* The levels from here on make the name of a topic. False: out of memory. */
static bool find_value(struct coap_call *call, struct coap_option_walk levels, unsigned count)
{
    struct slice mountpoint = slice_of_str(call->mountpoint), level;
    struct buffer *name = &call->home->topic;
    name->len = 0;
    uint8_t *room = buffer_room(name, mountpoint.len + call->request->message.options.len + 1);
    if (!room)
        return false;
    struct writer w = writer_of(room, name->cap);
    writer_bytes(&w, mountpoint);
    call->place = COAP_IMPOSSIBLE;
    for (unsigned i = 0; i < count && coap_next_of(&levels, COAP_URI_PATH, &level); i++) {
        if (!is_level(level))
            return true;
        if (i)
            writer_u8(&w, '/');
        writer_bytes(&w, level);
    }
    name->len = (uint32_t)writer_len(&w);
    call->topic = slice_from(buffer_slice(name), mountpoint.len);
    if (call->topic.len == 0 || !utf8_clean(call->topic))
        return true;
    call->place = COAP_VALUE;
    call->configuration = coap_topics_find(&call->home->topics, buffer_slice(name));
    return true;
}

/* /ps/data/+ID. */
static void find_created(struct coap_call *call, struct slice level)
{
    call->configuration = created(call, level);
    call->place = call->configuration ? COAP_VALUE : COAP_NOWHERE;
    call->created = true;
    if (call->configuration)
        call->topic = coap_topic_name(call->configuration);
}

bool coap_call_find(struct coap_call *call)
{
    struct coap_option_walk walk = call->request->path;
    struct slice levels[3] = {SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY};
    unsigned count = call->request->path_count;
    for (unsigned i = 0; i < 3 && i < count; i++)
        coap_next_of(&walk, COAP_URI_PATH, &levels[i]);
    call->place = COAP_NOWHERE;
    if (count == 2 && slice_equal(levels[0], SLICE(".well-known")) &&
        slice_equal(levels[1], SLICE("core")))
        call->place = COAP_CORE;
    if (count == 0 || !slice_equal(levels[0], SLICE("ps")))
        return true;
    if (count == 1) {
        call->place = COAP_COLLECTION;
    } else if (count == 2 && slice_starts_with(levels[1], SLICE("+"))) {
        call->configuration = created(call, levels[1]);
        call->place = call->configuration ? COAP_TOPIC : COAP_NOWHERE;
    } else if (count == 3 && slice_equal(levels[1], SLICE("data")) &&
               slice_starts_with(levels[2], SLICE("+"))) {
        find_created(call, levels[2]);
    } else {
        walk = call->request->path;
        coap_next_of(&walk, COAP_URI_PATH, &levels[0]);
        return find_value(call, walk, count - 1);
    }
    return true;
}
