/* topic: /ps/+ID, the configuration of a topic: read, read in part, overwrite, patch, delete.
 *
 * draft-ietf-core-coap-pubsub-21 section 2.5. Who may publish to a topic may configure it; who may
 * read its value may read its configuration. */
#include "protocols/coap/discovery.h"
#include "protocols/coap/observe.h"

enum { PAGE_MOST = 1024 };

bool coap_may_configure(const struct coap_call *call, struct slice name)
{
    return broker_may(call->broker, call->who->identity,
                      slice_of(call->who->client_id, call->who->client_id_len), ACTION_PUBLISH,
                      name);
}

bool coap_speaks_properties(struct coap_call *call)
{
    const struct coap_request *r = call->request;
    if (!r->has_content_format || r->content_format == COAP_PUBSUB_CBOR)
        return true;
    coap_say(call, COAP_UNSUPPORTED_FORMAT, "application/core-pubsub+cbor (606)");
    return false;
}

static bool same(const struct coap_properties *a, const struct coap_properties *b,
                 enum coap_property which)
{
    switch (which) {
    case COAP_TOPIC_NAME:
        return slice_equal(a->name, b->name);
    case COAP_TOPIC_DATA:
        return slice_equal(a->place, b->place);
    case COAP_RESOURCE_TYPE:
        return slice_equal(a->resource_type, b->resource_type);
    case COAP_TOPIC_FORMAT:
        return a->format == b->format;
    case COAP_TOPIC_TYPE:
        return slice_equal(a->topic_type, b->topic_type);
    case COAP_EXPIRATION:
        return a->expires_s == b->expires_s;
    case COAP_MAX_SUBSCRIBERS:
        return a->max_subscribers == b->max_subscribers;
    case COAP_OBSERVER_CHECK:
        return a->observer_check_s == b->observer_check_s;
    case COAP_INITIALIZE:
    case COAP_MOUNTPOINT:
        break;
    }
    return false;
}

bool coap_topic_is_like(const struct coap_topic *topic, const struct coap_properties *like)
{
    uint8_t place[COAP_PLACE_LEN];
    struct coap_properties p = coap_topic_properties(topic, place);
    for (unsigned which = 0; which < COAP_PROPERTIES; which++)
        if (coap_has(like, which) && !(coap_has(&p, which) && same(&p, like, which)))
            return false;
    return true;
}

void coap_say_topic(struct coap_call *call, uint8_t code, const struct coap_topic *topic,
                    uint16_t which)
{
    uint8_t place[COAP_PLACE_LEN];
    struct coap_properties p = coap_topic_properties(topic, place);
    struct buffer *page = &call->home->page;
    page->len = 0;
    uint8_t *room = buffer_room(page, PAGE_MOST);
    if (!room) {
        coap_say_refused(call, VERDICT_NO_MEMORY);
        return;
    }
    struct writer w = writer_of(room, PAGE_MOST);
    coap_write_properties(&w, &p, which & COAP_EVERY_PROPERTY);
    page->len = (uint32_t)writer_len(&w);
    coap_say(call, code, NULL);
    call->answer.format = COAP_PUBSUB_CBOR;
    call->answer.payload = buffer_slice(page);
    call->answer.location = code == COAP_CREATED ? topic->id : 0;
    call->answer.promise = code == COAP_CONTENT ? 0 : coap_promise_all(call);
    call->outcome.topic = topic->id;
}

/* POST and iPATCH. What may not change may be said again (section 2.5.3). */
static void update(struct coap_call *call, bool whole)
{
    struct coap_topic *topic = call->configuration;
    struct coap_properties p, now;
    uint8_t place[COAP_PLACE_LEN];
    if (!coap_speaks_properties(call))
        return;
    now = coap_topic_properties(topic, place);
    if (!coap_read_properties(call->body, false, &p) || coap_has(&p, COAP_INITIALIZE) ||
        p.topic_type.len > COAP_TOPIC_TYPE_MOST) {
        coap_say(call, COAP_BAD_REQUEST, "not a map of properties that can change");
        return;
    }
    for (unsigned which = COAP_TOPIC_NAME; which <= COAP_RESOURCE_TYPE; which++)
        if (coap_has(&p, which) && !same(&p, &now, which)) {
            coap_say(call, COAP_BAD_REQUEST, "topic-name, topic-data, resource-type stay");
            return;
        }
    if (coap_has(&p, COAP_EXPIRATION) &&
        (int64_t)p.expires_s <= broker_wall_ms(call->broker) / 1000) {
        coap_say(call, COAP_BAD_REQUEST, "expiration-date has passed");
        return;
    }
    if (!coap_topics_change(&call->home->topics, topic, &p, whole)) {
        coap_say_refused(call, VERDICT_NO_MEMORY);
        return;
    }
    coap_observe_end_all(topic, topic->max_subscribers, COAP_NOT_FOUND);
    coap_say_topic(call, COAP_CHANGED, topic, COAP_EVERY_PROPERTY);
}

/* FETCH: an array of keys (section 2.5.2). */
static void fetch(struct coap_call *call)
{
    const struct coap_request *r = call->request;
    uint16_t wishes;
    if (r->has_content_format && r->content_format != COAP_CBOR)
        coap_say(call, COAP_UNSUPPORTED_FORMAT, "application/cbor (60)");
    else if (!coap_read_wishes(call->body, &wishes))
        coap_say(call, COAP_BAD_REQUEST, "not an array of keys");
    else
        coap_say_topic(call, COAP_CONTENT, call->configuration, wishes);
}

void coap_topic_end(struct coap_home *home, struct coap_topic *topic)
{
    struct slice name = coap_topic_full_name(topic);
    struct message *value = NULL;
    struct principal *who = coap_home_anonymous(home, 0);
    enum verdict verdict =
        who ? broker_latest(home->broker, who, "", name, &value) : VERDICT_DENIED;
    coap_observe_end_all(topic, 0, COAP_NOT_FOUND);
    if (verdict != VERDICT_OK || value) { /* it is there, or may be */
        struct message clear = {.topic = name.at,
                                .topic_len = (uint16_t)name.len,
                                .payload = (const uint8_t *)"",
                                .retain = true,
                                .qos = 1};
        broker_publish_own(home->broker, &clear);
        message_end(&clear);
    }
    coap_topics_remove(&home->topics, topic);
}

void coap_topic(struct coap_call *call)
{
    struct coap_topic *topic = call->configuration;
    uint8_t method = call->request->message.code;
    bool reads = method == COAP_GET || method == COAP_FETCH;
    if (!coap_may_configure(call, coap_topic_name(topic)) &&
        !(reads && coap_may_read(call, topic))) {
        coap_say_denied(call);
        return;
    }
    switch (method) {
    case COAP_GET:
        coap_say_topic(call, COAP_CONTENT, topic, COAP_EVERY_PROPERTY);
        break;
    case COAP_FETCH:
        fetch(call);
        break;
    case COAP_POST:
    case COAP_IPATCH:
        update(call, method == COAP_POST);
        break;
    case COAP_DELETE:
        coap_topic_end(call->home, topic);
        coap_say(call, COAP_DELETED, NULL);
        call->answer.promise = coap_promise_all(call);
        break;
    default:
        coap_say(call, COAP_METHOD_NOT_ALLOWED, NULL);
    }
}
