/* collection: /ps, the collection of topics that were created: list, filter, create.
 *
 * draft-ietf-core-coap-pubsub-21 section 2.4. Who may publish to a topic may create it. */
#include "base/utf8.h"
#include "broker/topic.h"
#include "protocols/coap/discovery.h"
#include "protocols/coap/format.h"

static bool is_resource_type(struct slice type)
{
    /* The second is what drafts before the 19th wanted. */
    return slice_equal(type, SLICE("core.ps.data")) || slice_equal(type, SLICE("core.ps.conf"));
}

/* Whether it could be created as it is proposed; else says why not. */
static const char *objection(const struct coap_call *call, const struct coap_properties *p)
{
    const struct broker_limits *limits = broker_limits(call->broker);
    if (!coap_has(p, COAP_TOPIC_NAME) || !coap_has(p, COAP_RESOURCE_TYPE))
        return "topic-name and resource-type are required";
    if (!is_resource_type(p->resource_type))
        return "resource-type is core.ps.data";
    if (p->name.len > COAP_TOPIC_NAME_MOST || !utf8_clean(p->name) ||
        !topic_name_valid(p->name, limits->topic_length, limits->topic_levels))
        return "topic-name is no name of a topic";
    if (p->topic_type.len > COAP_TOPIC_TYPE_MOST)
        return "topic-type is too long";
    if (coap_has(p, COAP_TOPIC_DATA))
        return "topic-data is for the broker to choose";
    if (coap_has(p, COAP_EXPIRATION) &&
        (int64_t)p->expires_s <= broker_wall_ms(call->broker) / 1000)
        return "expiration-date has passed";
    if (coap_has(p, COAP_INITIALIZE) && (!coap_has(p, COAP_TOPIC_FORMAT) || !p->initialize.len))
        return "initialize needs a value and topic-content-format";
    return NULL;
}

/* The first value, in the name of who creates the topic (section 2.2.1, "initialize"). */
static enum verdict initialize(const struct coap_call *call, const struct coap_properties *p)
{
    uint8_t properties[COAP_FORMAT_PROPERTY_MOST];
    struct writer w = writer_of(properties, sizeof properties);
    coap_format_write(&w, p->format);
    struct message message = {
        .topic = p->name.at,
        .topic_len = (uint16_t)p->name.len,
        .payload = p->initialize.at,
        .payload_len = (uint32_t)p->initialize.len,
        .properties = properties,
        .properties_len = (uint32_t)writer_len(&w),
        .qos = 1,
        .retain = true,
        .expires_ms = coap_has(p, COAP_EXPIRATION) ? (int64_t)p->expires_s * 1000 : 0,
    };
    enum verdict verdict = broker_publish_as(call->broker, call->who, call->mountpoint, &message);
    message_end(&message);
    return verdict == VERDICT_NO_SUBSCRIBERS ? VERDICT_OK : verdict;
}

/* Whether there is one of that name behind this mountpoint; true also without memory to tell. */
static bool is_taken(struct coap_call *call, struct slice name)
{
    struct buffer *full = &call->home->topic;
    full->len = 0;
    return buffer_append(full, slice_of_str(call->mountpoint)) != 0 ||
           buffer_append(full, name) != 0 ||
           coap_topics_find(&call->home->topics, buffer_slice(full)) != NULL;
}

static void create(struct coap_call *call)
{
    const struct coap_options *options = coap_options_of(call->e);
    struct coap_properties p;
    if (!coap_speaks_properties(call))
        return;
    if (!coap_read_properties(call->body, false, &p)) {
        coap_say(call, COAP_BAD_REQUEST, "not a map of topic properties");
        return;
    }
    const char *why = objection(call, &p);
    if (why) {
        coap_say(call, COAP_BAD_REQUEST, why);
        return;
    }
    if (!coap_may_configure(call, p.name)) {
        coap_say_denied(call);
        return;
    }
    if (is_taken(call, p.name)) {
        coap_say(call, COAP_BAD_REQUEST, "topic-name is in use");
        return;
    }
    enum verdict verdict =
        call->home->topics.by_id.count < options->topics ? VERDICT_OK : VERDICT_QUOTA;
    if (verdict == VERDICT_OK && coap_has(&p, COAP_INITIALIZE))
        verdict = initialize(call, &p);
    struct coap_topic *topic = NULL;
    if (verdict == VERDICT_OK) {
        topic = coap_topics_add(&call->home->topics, slice_of_str(call->mountpoint), &p);
        verdict = topic ? VERDICT_OK : VERDICT_NO_MEMORY;
    }
    if (verdict != VERDICT_OK) {
        coap_say_refused(call, verdict);
        return;
    }
    coap_say_topic(call, COAP_CREATED, topic, COAP_EVERY_PROPERTY);
}

/* GET and FETCH. `like`: NULL for all. */
static void list(struct coap_call *call, const struct coap_properties *like)
{
    bool nothing, values = coap_lists_values(call, &nothing);
    if (coap_wants_proof(call))
        return;
    coap_start_page(call);
    coap_say_page(call, nothing || coap_list_topics(call, like, values, ""));
}

static void fetch(struct coap_call *call)
{
    struct coap_properties like;
    if (!coap_speaks_properties(call))
        return;
    if (coap_read_properties(call->body, false, &like))
        list(call, &like);
    else
        coap_say(call, COAP_BAD_REQUEST, "not a map of topic properties");
}

void coap_collection(struct coap_call *call)
{
    switch (call->request->message.code) {
    case COAP_GET:
        list(call, NULL);
        break;
    case COAP_FETCH:
        fetch(call);
        break;
    case COAP_POST:
        create(call);
        break;
    default:
        coap_say(call, COAP_METHOD_NOT_ALLOWED, NULL);
    }
}
