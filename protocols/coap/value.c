/* value: the value of a topic: PUT, POST, GET with and without Observe, DELETE.
 *
 *   PUT    publishes and retains: the resource's new state (draft-ietf-core-coap-pubsub-21 3.2.1)
 *   POST   publishes, not to be retained: an event
 *   GET    the retained value; with Observe 0 all that is published from now on, too
 *   DELETE removes the retained value
 *
 * A confirmable request is QoS 1 towards the core and is answered when the core's promise is kept;
 * one that is not is QoS 0. Whether any of it is allowed is the core's decision alone. */
#include "protocols/coap/call.h"
#include "protocols/coap/format.h"
#include "protocols/coap/observe.h"

/* ---- what the query asks for ---- */

struct wishes {
    uint8_t qos;
    bool retain;
};

static bool starts_a_secret(struct slice query)
{
    static const char *const words[] = {
        "token=", "password=", "passwd=", "pass=", "username=", "user=", "secret=", "clientid="};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (slice_starts_with(query, slice_of_str(words[i])))
            return true;
    return false;
}

/* Reads ?qos= and ?retain=. NULL, or why not: nothing else is known, and a URI is no place for
 * credentials, since it ends up in logs (never in those of siotd). */
static const char *read_query(const struct coap_request *request, struct wishes *wishes)
{
    static const struct {
        const char *text;
        int8_t qos, retain;
    } known[] = {{"qos=0", 0, -1},    {"qos=1", 1, -1},        {"retain=0", -1, 0},
                 {"retain=1", -1, 1}, {"retain=false", -1, 0}, {"retain=true", -1, 1}};
    enum { KNOWN = sizeof known / sizeof known[0] };
    struct coap_option_walk walk = request->query;
    struct slice query;
    for (unsigned i = 0; i < request->query_count && coap_next_of(&walk, COAP_URI_QUERY, &query);
         i++) {
        size_t at = 0;
        while (at < KNOWN && !slice_equal(query, slice_of_str(known[at].text)))
            at++;
        if (at == KNOWN)
            return starts_a_secret(query) ? "credentials do not belong in a URI"
                                          : "known queries are qos=0|1 and retain=0|1";
        if (known[at].qos >= 0)
            wishes->qos = (uint8_t)known[at].qos;
        if (known[at].retain >= 0)
            wishes->retain = known[at].retain;
    }
    return NULL;
}

/* ---- what is there ---- */

static enum verdict latest(const struct coap_call *call, struct message **message)
{
    *message = NULL;
    return broker_latest(call->broker, call->who, call->mountpoint, call->topic, message);
}

static uint64_t etag_of(const struct message *m)
{
    return coap_etag_of(message_payload(m), coap_format_of(message_properties(m)));
}

/* Whether an ETag of the request names this message. */
static bool is_named(struct coap_option_walk walk, uint32_t kind, unsigned count,
                     const struct message *m)
{
    struct slice value;
    for (unsigned i = 0; i < count && coap_next_of(&walk, kind, &value); i++) {
        uint64_t etag;
        if (value.len == 0) /* If-Match: any will do (RFC 7252 section 5.10.8.1) */
            return true;
        if (value.len == sizeof etag) {
            memcpy(&etag, value.at, sizeof etag);
            if (etag == etag_of(m))
                return true;
        }
    }
    return false;
}

/* ---- GET ---- */

enum { ETAG_FROM = 64 }; /* shorter payloads are as quickly sent as validated */

static void say_value(struct coap_call *call, struct message *m)
{
    const struct coap_request *request = call->request;
    struct coap_answer *a = &call->answer;
    uint32_t format = m ? coap_format_of(message_properties(m)) : COAP_NO_FORMAT;
    if (request->has_accept && format != COAP_NO_FORMAT && format != request->accept) {
        coap_say(call, COAP_NOT_ACCEPTABLE, "the value has another format");
        return;
    }
    coap_say(call, COAP_CONTENT, NULL);
    if (!m)
        return;
    if (m->expires_ms) { /* RFC 7252 section 5.10.5 */
        a->has_max_age = true;
        a->max_age = message_seconds_left(m, broker_wall_ms(call->broker));
    }
    if (m->payload_len >= ETAG_FROM || request->etag_count) {
        a->has_etag = true;
        a->etag = etag_of(m);
    }
    if (request->etag_count && is_named(request->etag, COAP_ETAG, request->etag_count, m)) {
        a->code = COAP_VALID; /* RFC 7252 section 5.10.6.2 */
        return;
    }
    a->format = format;
    a->payload = message_payload(m);
}

static void look(struct coap_call *call)
{
    const struct coap_request *request = call->request;
    bool rest = request->has_block2 && request->block2.number > 0;
    struct message *m = rest ? coap_observe_held(call->e, call->topic) : NULL;
    enum verdict verdict = m ? VERDICT_OK : latest(call, &m);
    if (verdict != VERDICT_OK) {
        coap_say_refused(call, verdict);
        return;
    }
    bool observe = request->has_observe && request->observe == 0 && !rest && (m || !call->created);
    if (!m && !observe) {
        coap_say(call, COAP_NOT_FOUND, NULL);
        return;
    }
    say_value(call, m);
    if (!observe || coap_class(call->answer.code) != 2)
        return;
    if (!peer_is_verified(call->e->peer) && coap_options_of(call->e)->echo)
        call->answer.echo = true; /* RFC 9175 section 2.4, item 3 */
    else
        coap_observe(call, m);
    if (!m && !call->answer.has_observe && !call->answer.echo)
        coap_say(call, COAP_NOT_FOUND, NULL);
}

static void get(struct coap_call *call)
{
    const struct coap_request *request = call->request;
    bool ended = request->has_observe && request->observe == 1 &&
                 coap_observe_no_more(call->e, request->message.token);
    look(call);
    if (ended) /* its note goes, too */
        call->answer.promise = coap_promise_all(call);
}

/* ---- PUT, POST, DELETE ---- */

/* False, with the answer set, when the conditions of the request are not met (RFC 7252 sections
 * 5.10.8.1 and 5.10.8.2) or its format is not the topic's. */
static bool meets_conditions(struct coap_call *call, const struct message *now)
{
    const struct coap_request *r = call->request;
    const struct coap_topic *topic = call->configuration;
    if (r->if_match_count &&
        !(now && is_named(r->if_match, COAP_IF_MATCH, r->if_match_count, now))) {
        coap_say(call, COAP_PRECONDITION_FAILED, NULL);
        return false;
    }
    if (r->if_none_match && now) {
        coap_say(call, COAP_PRECONDITION_FAILED, NULL);
        return false;
    }
    if (topic && topic->format != COAP_NO_FORMAT && r->message.code != COAP_DELETE &&
        (!r->has_content_format || r->content_format != topic->format)) {
        coap_say(call, COAP_UNSUPPORTED_FORMAT, "the topic has another format");
        return false;
    }
    return true;
}

/* When the message is to go: by Max-Age, and with its topic. */
static int64_t expiry_of(const struct coap_call *call)
{
    int64_t at = 0;
    if (call->request->has_max_age && call->request->message.code != COAP_DELETE)
        at = broker_wall_ms(call->broker) + (int64_t)call->request->max_age * 1000;
    if (call->configuration && call->configuration->expires_s) {
        int64_t end = (int64_t)call->configuration->expires_s * 1000;
        at = at && at < end ? at : end;
    }
    return at;
}

static enum verdict publish(const struct coap_call *call, const struct wishes *wishes)
{
    uint8_t properties[COAP_FORMAT_PROPERTY_MOST];
    struct writer w = writer_of(properties, sizeof properties);
    struct message message = {
        .topic = call->topic.at,
        .topic_len = (uint16_t)call->topic.len,
        .payload = call->body.at,
        .payload_len = (uint32_t)call->body.len,
        .qos = wishes->qos,
        .retain = wishes->retain,
        .expires_ms = call->body.len ? expiry_of(call) : 0,
    };
    if (call->request->has_content_format) {
        coap_format_write(&w, call->request->content_format);
        message.properties = properties;
        message.properties_len = (uint32_t)writer_len(&w);
    }
    enum verdict verdict = broker_publish_as(call->broker, call->who, call->mountpoint, &message);
    message_end(&message);
    return verdict;
}

static bool is_too_fast(const struct coap_call *call)
{
    const struct coap_options *options = coap_options_of(call->e);
    struct coap_where where = coap_endpoint_where(call->e);
    return options->publish_rate != OPTION_UNLIMITED &&
           !coap_home_admits(call->home, slice_of(where.bytes, 16), peer_now_ms(call->e->peer),
                             options->publish_rate);
}

/* What is not there need not be removed, by those who might; nobody is told of it. */
static void say_nothing_there(struct coap_call *call)
{
    if (!coap_may_configure(call, call->topic))
        coap_say_denied(call);
    else
        coap_say(call, call->created ? COAP_NOT_FOUND : COAP_DELETED, NULL);
    call->answer.promise = coap_promise_all(call); /* its removal may be on the way to the disk */
}

static void change(struct coap_call *call, uint8_t method)
{
    struct wishes wishes = {.qos = call->request->message.type == COAP_CON,
                            .retain = method != COAP_POST};
    struct message *now = NULL;
    const char *why = read_query(call->request, &wishes);
    if (why) {
        coap_say(call, COAP_BAD_REQUEST, why);
        return;
    }
    if (method == COAP_PUT && wishes.retain && call->body.len == 0) {
        coap_say(call, COAP_BAD_REQUEST, "DELETE removes a value; an empty one cannot be kept");
        return;
    }
    if (is_too_fast(call)) { /* RFC 8516 */
        coap_say_refused(call, VERDICT_QUOTA);
        return;
    }
    enum verdict readable = wishes.retain ? latest(call, &now) : VERDICT_OK;
    if (!meets_conditions(call, now))
        return;
    if (method == COAP_DELETE && readable == VERDICT_OK && !now) {
        say_nothing_there(call);
        return;
    }
    if (method == COAP_DELETE) {
        wishes.retain = true;
        call->body = SLICE_EMPTY;
    }
    enum verdict verdict = publish(call, &wishes);
    if (verdict != VERDICT_OK && verdict != VERDICT_NO_SUBSCRIBERS) {
        coap_say_refused(call, verdict);
        return;
    }
    bool first = method == COAP_PUT && wishes.retain && readable == VERDICT_OK && !now;
    coap_say(call,
             method == COAP_DELETE ? COAP_DELETED
             : first               ? COAP_CREATED
                                   : COAP_CHANGED,
             NULL);
    call->answer.promise = wishes.qos ? broker_promise_for(call->broker, NULL) : 0;
}

void coap_value(struct coap_call *call)
{
    uint8_t method = call->request->message.code;
    switch (method) {
    case COAP_GET:
        get(call);
        break;
    case COAP_PUT:
    case COAP_POST:
    case COAP_DELETE:
        change(call, method);
        break;
    default:
        coap_say(call, COAP_METHOD_NOT_ALLOWED, NULL);
    }
}
