/* discovery: what there is: /.well-known/core and the list of topics at /ps.
 *
 * RFC 6690 (link format, its queries), draft-ietf-core-coap-pubsub-21 sections 2.3 and 2.4. A list
 * is made anew for each request, in a buffer that grows with what is listed, and answered in blocks
 * when it is long. Only topics that one may read are listed. */
#include "protocols/coap/discovery.h"

#include "protocols/coap/observe.h"

static bool append(struct coap_call *call, struct slice text)
{
    return buffer_append(&call->home->page, text) == 0;
}

/* What a query of the form name=value asks for; a trailing '*' stands for any rest (RFC 6690
 * section 4.1). */
static bool selects(struct slice wanted, struct slice value)
{
    if (wanted.len && wanted.at[wanted.len - 1] == '*') {
        wanted.len--;
        return slice_starts_with(value, wanted);
    }
    return slice_equal(wanted, value);
}

/* The first query; false without one. */
static bool query_of(const struct coap_call *call, struct slice *name, struct slice *value)
{
    struct coap_option_walk walk = call->request->query;
    struct slice query;
    if (call->request->query_count == 0 || !coap_next_of(&walk, COAP_URI_QUERY, &query))
        return false;
    *name = query;
    for (name->len = 0; name->len < query.len && query.at[name->len] != '='; name->len++)
        ;
    *value = slice_from(query, name->len + 1);
    return true;
}

bool coap_may_read(const struct coap_call *call, const struct coap_topic *topic)
{
    struct message *message;
    return broker_latest(call->broker, call->who, call->mountpoint, coap_topic_name(topic),
                         &message) == VERDICT_OK;
}

/* ---- links to topics ---- */

static bool append_link(struct coap_call *call, const struct coap_topic *topic, bool value)
{
    uint8_t level[COAP_ID_LEN];
    coap_topic_level(topic->id, level);
    return (call->home->page.len == 0 || append(call, SLICE(","))) &&
           append(call, value ? SLICE("</ps/data/") : SLICE("</ps/")) &&
           append(call, slice_of(level, sizeof level)) && append(call, SLICE(">"));
}

bool coap_list_topics(struct coap_call *call, const struct coap_properties *like, bool values,
                      const char *attributes)
{
    const struct coap_topics *topics = &call->home->topics;
    struct slice mountpoint = slice_of_str(call->mountpoint);
    size_t position = 0;
    const struct coap_topic *topic;
    while ((topic = map_next(&topics->by_id, &position)) != NULL) {
        bool listed = slice_equal(slice_of(topic->text, topic->mountpoint_len), mountpoint) &&
                      (!like || coap_topic_is_like(topic, like)) && coap_may_read(call, topic);
        if (listed && !(append_link(call, topic, values) && append(call, slice_of_str(attributes))))
            return false;
    }
    return true;
}

void coap_say_page(struct coap_call *call, bool complete)
{
    if (!complete) {
        coap_say_refused(call, VERDICT_NO_MEMORY);
        return;
    }
    coap_say(call, COAP_CONTENT, NULL);
    call->answer.format = COAP_LINK_FORMAT;
    call->answer.payload = buffer_slice(&call->home->page);
}

void coap_start_page(struct coap_call *call)
{
    call->home->page.len = 0;
}

bool coap_wants_proof(struct coap_call *call)
{
    bool wants = !peer_is_verified(call->e->peer) && coap_options_of(call->e)->echo &&
                 call->home->topics.by_id.count > 0;
    if (wants) {
        coap_say(call, COAP_UNAUTHORIZED, NULL);
        call->answer.echo = true;
    }
    return wants;
}

bool coap_lists_values(const struct coap_call *call, bool *nothing)
{
    struct slice name, value;
    *nothing = false;
    if (!query_of(call, &name, &value))
        return false;
    bool by_type = slice_equal(name, SLICE("rt"));
    bool values = by_type && selects(value, SLICE("core.ps.data"));
    *nothing = !values && !(by_type && selects(value, SLICE("core.ps.conf")));
    return values;
}

/* ---- /.well-known/core ---- */

/* The broker and its collection are one resource with two types (section 2.3.1, 2.3.2). */
static bool is_broker(struct slice name, struct slice value)
{
    if (slice_equal(name, SLICE("href")))
        return selects(value, SLICE("/ps"));
    return (slice_equal(name, SLICE("rt")) &&
            (selects(value, SLICE("core.ps")) || selects(value, SLICE("core.ps.coll")))) ||
           (slice_equal(name, SLICE("ct")) && selects(value, SLICE("40")));
}

void coap_core(struct coap_call *call)
{
    struct slice name, value;
    bool queried = query_of(call, &name, &value), complete = true;
    if (call->request->message.code != COAP_GET) {
        coap_say(call, COAP_METHOD_NOT_ALLOWED, NULL);
        return;
    }
    coap_start_page(call);
    if (!queried || is_broker(name, value))
        complete = append(call, SLICE("</ps>;rt=\"core.ps core.ps.coll\";ct=40"));
    if (queried && slice_equal(name, SLICE("rt"))) {
        bool topics = selects(value, SLICE("core.ps.conf"));
        bool values = selects(value, SLICE("core.ps.data"));
        if ((topics || values) && coap_wants_proof(call))
            return;
        if (topics)
            complete = complete && coap_list_topics(call, NULL, false, ";rt=\"core.ps.conf\"");
        if (values)
            complete = complete && coap_list_topics(call, NULL, true, ";rt=\"core.ps.data\";obs");
    }
    coap_say_page(call, complete);
}
