/* request: from a whole request to the resource it is for.
 *
 *   options -> is it for us -> is the address proven -> was it obeyed before -> who is it ->
 *   is the body whole -> what does the path lead to -> the resource -> answer
 *
 * What an answer costs is the same at each of these steps, and no step before the last changes
 * anything in the core. */
#include "protocols/coap/request.h"

#include "protocols/coap/call.h"
#include "protocols/coap/echo.h"
#include "protocols/coap/observe.h"

/* ---- what resources say ---- */

void coap_say(struct coap_call *call, uint8_t code, const char *why)
{
    bool has_block1 = call->answer.has_block1;
    struct coap_block block1 = call->answer.block1;
    call->answer = coap_answer_of(code, why);
    call->answer.has_block1 = has_block1;
    call->answer.block1 = block1;
}

void coap_say_denied(struct coap_call *call)
{
    bool could_prove =
        call->who && call->who->identity->anonymous && peer_is_private(call->e->peer);
    coap_say(call, could_prove ? COAP_UNAUTHORIZED : COAP_FORBIDDEN, NULL);
}

void coap_say_refused(struct coap_call *call, enum verdict verdict)
{
    static const uint8_t codes[VERDICT_COUNT] = {
        [VERDICT_BAD_TOPIC] = COAP_BAD_REQUEST, [VERDICT_BAD_FILTER] = COAP_BAD_REQUEST,
        [VERDICT_TOO_LARGE] = COAP_TOO_LARGE,   [VERDICT_QUOTA] = COAP_TOO_MANY_REQUESTS,
        [VERDICT_NO_MEMORY] = COAP_UNAVAILABLE,
    };
    if (verdict == VERDICT_DENIED) {
        coap_say_denied(call);
        return;
    }
    coap_say(call, codes[verdict] ? codes[verdict] : COAP_INTERNAL_ERROR, NULL);
    if (verdict == VERDICT_QUOTA || verdict == VERDICT_NO_MEMORY) { /* RFC 8516 section 3 */
        call->answer.has_max_age = true;
        call->answer.max_age = coap_retry_after_s(coap_options_of(call->e));
    }
    if (verdict == VERDICT_TOO_LARGE) {
        call->answer.has_size1 = true;
        call->answer.size1 = (uint32_t)broker_limits(call->broker)->packet_size;
    }
}

/* ---- the steps ---- */

static void answer(struct coap_call *call)
{
    coap_answer_send(call->e, call->home, call->request, &call->answer);
}

/* Whether a request changes nothing, so that it may be answered as often as it comes (RFC 7252
 * section 4.5). */
static bool is_safe(uint8_t method)
{
    return method == COAP_GET || method == COAP_FETCH;
}

/* Answers a request whose options do not make sense. */
static void object(struct coap_call *call, enum coap_fault fault)
{
    broker_stats(call->broker)->protocol_errors++;
    if (fault == COAP_CRITICAL && call->request->message.type == COAP_NON)
        return; /* RFC 7252 section 5.4.1: rejected, in silence */
    if (fault == COAP_CRITICAL)
        coap_say(call, COAP_BAD_OPTION, NULL);
    else if (fault == COAP_PROXYING)
        coap_say(call, COAP_PROXYING_NOT_SUPPORTED, NULL);
    else
        coap_say(call, COAP_BAD_REQUEST, "no such block size");
    answer(call);
}

/* Whether the endpoint is where its datagrams come from: it says so by Echo, or the configuration
 * says that nobody on this network forges addresses. */
static void believe(struct coap_call *call)
{
    struct peer *peer = call->e->peer;
    if (peer_is_verified(peer))
        return;
    if (!coap_options_of(call->e)->echo) {
        peer_verify(peer);
    } else if (call->request->has_echo &&
               coap_echo_proves(call->home, call->e, call->request->echo)) {
        peer_verify(peer);
        coap_endpoint_keep(call->e);
    }
}

/* A code, with what else belongs to it. */
static void say_code(struct coap_call *call, uint8_t code)
{
    if (code == COAP_TOO_MANY_REQUESTS)
        coap_say_refused(call, VERDICT_QUOTA);
    else if (code == COAP_UNAVAILABLE)
        coap_say_refused(call, VERDICT_NO_MEMORY);
    else if (code == COAP_TOO_LARGE)
        coap_say_refused(call, VERDICT_TOO_LARGE);
    else
        coap_say(call, code, NULL);
}

/* Says again what was said to the request before. */
static void repeat(struct coap_call *call, const struct coap_outcome *outcome)
{
    const struct coap_topic *topic = NULL;
    if (outcome->topic)
        topic = coap_topics_numbered(&call->home->topics, outcome->topic);
    if (topic)
        coap_say_topic(call, outcome->code, topic, COAP_EVERY_PROPERTY);
    else
        say_code(call, outcome->code);
    call->answer.promise = outcome->promise;
    answer(call);
}

/* Whether the body is whole; if not, the answer is set. */
static bool is_whole(struct coap_call *call, struct coap_upload **upload)
{
    const struct coap_options *options = coap_options_of(call->e);
    const struct coap_request *r = call->request;
    struct coap_where where = coap_endpoint_where(call->e);
    struct coap_upload_limits limits = {.body = broker_limits(call->broker)->packet_size,
                                        .count = options->uploads,
                                        .bytes = options->upload_bytes};
    call->body = r->message.payload;
    if (!r->has_block1)
        return true;
    bool many = r->block1.more || r->block1.number;
    if (many && options->echo && !peer_is_verified(call->e->peer)) {
        coap_say(call, COAP_UNAUTHORIZED, NULL);
        call->answer.echo = true;
        return false;
    }
    call->answer.has_block1 = true;
    call->answer.block1 = r->block1;
    enum coap_code code =
        coap_uploads_take(&call->home->uploads, &where, r, &limits,
                          (uint32_t)(peer_now_ms(call->e->peer) / 1000), &call->body, upload);
    if (code == COAP_EMPTY)
        return true;
    say_code(call, (uint8_t)code);
    return false;
}

static void enter(struct coap_call *call)
{
    static void (*const resources[])(struct coap_call *) = {[COAP_CORE] = coap_core,
                                                            [COAP_COLLECTION] = coap_collection,
                                                            [COAP_TOPIC] = coap_topic,
                                                            [COAP_VALUE] = coap_value};
    if (!coap_call_find(call))
        coap_say_refused(call, VERDICT_NO_MEMORY);
    else if (call->place == COAP_NOWHERE)
        coap_say(call, COAP_NOT_FOUND, NULL);
    else if (call->place == COAP_IMPOSSIBLE)
        coap_say(call, COAP_BAD_REQUEST, "no name of a topic");
    else
        resources[call->place](call);
}

/* Who asks, what it carries, and then the resource. */
static void obey(struct coap_call *call)
{
    struct coap_upload *upload = NULL;
    bool denied;
    call->who = coap_endpoint_who(call->e, call->home, &denied);
    if (!call->who && denied)
        coap_say(call, COAP_UNAUTHORIZED, NULL);
    else if (!call->who)
        coap_say_refused(call, VERDICT_NO_MEMORY);
    else if (is_whole(call, &upload))
        enter(call);
    coap_upload_end(&call->home->uploads, upload);
}

static void sweep(struct coap_home *home)
{
    struct coap_topic *over;
    while ((over = coap_topics_expired(&home->topics, broker_wall_ms(home->broker))) != NULL)
        coap_topic_end(home, over);
}

void coap_on_request(struct coap_endpoint *e, struct coap_home *home,
                     const struct coap_message *message)
{
    struct coap_request request;
    struct coap_call call = {.e = e,
                             .home = home,
                             .broker = peer_broker(e->peer),
                             .request = &request,
                             .mountpoint = peer_listener(e->peer)->mountpoint};
    enum coap_fault fault = coap_read_request(message, &request);
    if (fault != COAP_FINE) {
        object(&call, fault);
        return;
    }
    believe(&call);
    if (is_safe(message->code)) {
        sweep(home);
        obey(&call);
        answer(&call);
        return;
    }
    struct coap_where where = coap_endpoint_where(e);
    uint32_t now_s = (uint32_t)(peer_now_ms(e->peer) / 1000);
    struct coap_outcome before;
    if (coap_exchanges_find(&home->exchanges, &where, message, now_s, &before)) {
        call.answer.has_block1 = request.has_block1;
        call.answer.block1 = request.block1;
        repeat(&call, &before);
        return;
    }
    sweep(home);
    obey(&call);
    answer(&call);
    call.outcome.code = call.answer.code;
    call.outcome.promise = call.answer.promise;
    if (!call.answer.echo) /* what was not obeyed for want of proof may come again */
        coap_exchanges_note(&home->exchanges, &where, message, now_s, &call.outcome,
                            (uint32_t)coap_options_of(e)->exchanges);
}
