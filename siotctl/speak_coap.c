/* speak_coap: siotctl as a CoAP client of /ps/<topic levels>: PUT publishes and retains, POST
 * publishes only, GET with Observe subscribes. QoS 0 is non-confirmable, QoS 1 confirmable. */
#include "base/buffer.h"
#include "base/random.h"
#include "protocols/coap/decode.h"
#include "protocols/coap/encode.h"
#include "siotctl/dialect.h"
#include "siotctl/say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_SZX = 6, TOKEN_LEN = 4, ECHO_MOST = 40, HEAD_MOST = 256 };
enum { OBSERVE_NEWER = 1 << 23 }; /* RFC 7641 section 3.4 */
enum { OBSERVE_BEGIN = 0, OBSERVE_END = 1, OBSERVE_NOT = 2 };

/* What is observed. */
struct watch {
    uint8_t token[TOKEN_LEN];
    const char *topic;
    bool heard, rest; /* a value has come; the rest of one is to be fetched */
    uint16_t last_id;
    uint32_t number;
};

struct speech {
    struct watch watches[ORDER_TOPICS];
    uint8_t token[TOKEN_LEN]; /* of the request that waits */
    uint16_t id;              /* of the last message */
    uint8_t echo[ECHO_MOST];
    size_t echo_len;
    struct coap_request answer; /* what has been answered; its slices are in `body` */
    struct buffer body;
};

/* One request. */
struct call {
    uint8_t method;
    const char *topic;
    unsigned observe; /* OBSERVE_* */
    bool confirmable, has_block1, has_block2;
    struct coap_block block1, block2;
    struct slice payload;
    const uint8_t *token;
};

/* ---- writing ---- */

static void write_path(struct writer *w, uint32_t *last, const char *topic)
{
    coap_write_option(w, last, COAP_URI_PATH, SLICE("ps"));
    for (const char *end;; topic = end + 1) {
        end = strchr(topic, '/');
        size_t len = end ? (size_t)(end - topic) : strlen(topic);
        coap_write_option(w, last, COAP_URI_PATH, slice_of(topic, len));
        if (!end)
            return;
    }
}

static void write_call(struct writer *w, const struct speech *speech, const struct call *call)
{
    uint32_t last = 0;
    coap_write_head(w, call->confirmable ? COAP_CON : COAP_NON, call->method, speech->id,
                    slice_of(call->token, TOKEN_LEN));
    if (call->observe != OBSERVE_NOT)
        coap_write_uint(w, &last, COAP_OBSERVE, call->observe);
    write_path(w, &last, call->topic);
    if (call->has_block2)
        coap_write_block(w, &last, COAP_BLOCK2, call->block2);
    if (call->has_block1)
        coap_write_block(w, &last, COAP_BLOCK1, call->block1);
    if (speech->echo_len)
        coap_write_option(w, &last, COAP_ECHO, slice_of(speech->echo, speech->echo_len));
    coap_write_payload(w, call->payload);
}

/* ---- hearing ---- */

static void acknowledge(struct talk *talk, enum coap_type type, uint16_t id)
{
    uint8_t room[8];
    struct writer w = writer_of(room, sizeof(room));
    coap_write_head(&w, type, COAP_EMPTY, id, SLICE_EMPTY);
    road_send(talk->road, slice_of(room, writer_len(&w)));
}

static struct watch *watch_of(struct talk *talk, struct slice token)
{
    struct speech *speech = talk->state;
    for (size_t i = 0; i < talk->order->topic_count; i++)
        if (slice_equal(token, slice_of(speech->watches[i].token, TOKEN_LEN)) &&
            speech->watches[i].topic)
            return &speech->watches[i];
    return NULL;
}

/* Whether a value is not older than what was shown, and not the same message again. */
static bool is_new(const struct watch *watch, const struct coap_request *value)
{
    uint32_t ahead = (value->observe - watch->number) & 0xffffff;
    if (!watch->heard)
        return true;
    if (value->message.id == watch->last_id)
        return false;
    return !value->has_observe || (ahead && ahead < OBSERVE_NEWER);
}

/* What answers the registration may be empty because there is no value yet. */
static void take_value(struct talk *talk, struct watch *watch, const struct coap_request *value)
{
    bool nothing = !watch->heard && value->message.payload.len == 0;
    if (!is_new(watch, value))
        return;
    watch->heard = true;
    watch->last_id = value->message.id;
    watch->number = value->observe;
    if (value->has_block2 && value->block2.more)
        watch->rest = true; /* listen_for fetches it */
    else if (!nothing)
        talk_show(talk, slice_of_str(watch->topic), value->message.payload);
}

static enum heard hear(struct talk *talk, struct slice datagram)
{
    struct speech *speech = talk->state;
    struct coap_message message;
    struct coap_request read;
    if (coap_decode(datagram, &message) != COAP_WHOLE)
        return HEARD_OTHER;
    if (message.type == COAP_CON)
        acknowledge(talk, message.code == COAP_EMPTY ? COAP_RST : COAP_ACK, message.id);
    if (message.code == COAP_EMPTY || coap_class(message.code) < 2 ||
        coap_read_request(&message, &read) != COAP_FINE)
        return HEARD_OTHER;
    struct watch *watch = watch_of(talk, message.token);
    bool awaited = slice_equal(message.token, slice_of(speech->token, TOKEN_LEN));
    if (watch && coap_class(message.code) == 2 && message.code != COAP_VALID &&
        message.payload.len + read.has_observe)
        take_value(talk, watch, &read);
    if (!awaited && watch && coap_class(message.code) != 2) {
        say_failed("%s: the broker has ended the observation of %s", road_name(talk->road),
                   watch->topic);
        return HEARD_REFUSAL;
    }
    if (!awaited)
        return HEARD_OTHER;
    speech->answer = read;
    speech->body.len = 0;
    buffer_append(&speech->body, message.payload);
    if (read.has_echo && read.echo.len <= ECHO_MOST) {
        memcpy(speech->echo, read.echo.at, read.echo.len);
        speech->echo_len = read.echo.len;
    }
    return HEARD_ANSWER;
}

/* ---- asking ---- */

static int refused(struct talk *talk, uint8_t code)
{
    const struct speech *speech = talk->state;
    return say_failed("%s: the broker refuses: %u.%02u %.*s", road_name(talk->road),
                      coap_class(code), code & 31u, (int)speech->body.len,
                      speech->body.at ? (const char *)speech->body.at : "");
}

/* Once, and a second time with what the broker wants echoed (RFC 9175 section 2.3). */
static int call_once(struct talk *talk, struct call *call)
{
    struct speech *speech = talk->state;
    size_t size = HEAD_MOST + ECHO_MOST + 3 * strlen(call->topic) + call->payload.len;
    uint8_t *room = malloc(size);
    if (!room)
        return say_failed("out of memory");
    if (!call->token) {
        random_bytes(speech->token, TOKEN_LEN);
        call->token = speech->token;
    } else {
        memcpy(speech->token, call->token, TOKEN_LEN);
    }
    int status;
    size_t echo_len;
    do {
        struct writer w = writer_of(room, size);
        echo_len = speech->echo_len;
        speech->id++;
        write_call(&w, speech, call);
        status = talk_ask(talk, slice_of(room, writer_len(&w)), slice_of(room, writer_len(&w)),
                          hear, "the request");
    } while (status == ENDED_WELL && speech->answer.message.code == COAP_UNAUTHORIZED &&
             speech->echo_len && !echo_len);
    free(room);
    return status;
}

static struct call call_of(const struct talk *talk, uint8_t method, const char *topic)
{
    return (struct call){.method = method,
                         .topic = topic,
                         .observe = OBSERVE_NOT,
                         .confirmable = talk->order->qos > 0};
}

/* ---- the verbs ---- */

static int enter(struct talk *talk)
{
    struct speech *speech = talk->state;
    random_bytes(&speech->id, sizeof(speech->id));
    return ENDED_WELL;
}

/* A payload that is too long for one datagram goes in blocks (RFC 7959 section 2.5). */
static int publish_in_blocks(struct talk *talk, struct call *call, struct slice payload)
{
    const struct speech *speech = talk->state;
    uint8_t szx = BLOCK_SZX;
    call->has_block1 = true;
    call->confirmable = true;
    for (size_t done = 0; done < payload.len;) {
        size_t size = (size_t)16 << szx;
        call->payload = slice_from(payload, done);
        call->block1 = (struct coap_block){
            .number = (uint32_t)(done >> (szx + 4)), .more = call->payload.len > size, .szx = szx};
        call->payload.len = call->block1.more ? size : call->payload.len;
        call->token = NULL;
        if (call_once(talk, call) != ENDED_WELL)
            return ENDED_FAILED;
        if (!call->block1.more)
            break;
        if (speech->answer.message.code != COAP_CONTINUE)
            return refused(talk, speech->answer.message.code);
        done += size;
        if (speech->answer.has_block1 && speech->answer.block1.szx < szx)
            szx = speech->answer.block1.szx;
    }
    return ENDED_WELL;
}

static int publish(struct talk *talk, struct slice payload)
{
    const struct speech *speech = talk->state;
    struct call call =
        call_of(talk, talk->order->retain ? COAP_PUT : COAP_POST, talk->order->topics[0]);
    int status;
    if (payload.len > (size_t)16 << BLOCK_SZX) {
        status = publish_in_blocks(talk, &call, payload);
    } else {
        call.payload = payload;
        status = call_once(talk, &call);
    }
    if (status == ENDED_WELL && coap_class(speech->answer.message.code) != 2)
        return refused(talk, speech->answer.message.code);
    return status;
}

static int subscribe(struct talk *talk)
{
    struct speech *speech = talk->state;
    for (size_t i = 0; i < talk->order->topic_count; i++) {
        struct watch *watch = &speech->watches[i];
        struct call call = call_of(talk, COAP_GET, talk->order->topics[i]);
        random_bytes(watch->token, TOKEN_LEN);
        watch->topic = call.topic;
        call.token = watch->token;
        call.confirmable = true;
        call.observe = OBSERVE_BEGIN;
        if (call_once(talk, &call) != ENDED_WELL)
            return ENDED_FAILED;
        if (coap_class(speech->answer.message.code) != 2)
            return refused(talk, speech->answer.message.code);
        if (!speech->answer.has_observe)
            return say_failed("%s: %s cannot be observed", road_name(talk->road), call.topic);
    }
    return ENDED_WELL;
}

/* Fetches a value that did not fit a notification (RFC 7959 section 2.6). */
static int fetch(struct talk *talk, struct watch *watch)
{
    struct speech *speech = talk->state;
    struct buffer whole = {0};
    struct call call = call_of(talk, COAP_GET, watch->topic);
    int status;
    call.has_block2 = call.confirmable = true;
    call.block2 = (struct coap_block){.szx = BLOCK_SZX};
    watch->rest = false;
    do {
        call.token = NULL;
        status = call_once(talk, &call);
        if (status != ENDED_WELL || coap_class(speech->answer.message.code) != 2 ||
            buffer_append(&whole, buffer_slice(&speech->body)) != 0)
            break;
        call.block2 = speech->answer.block2;
        call.block2.number++;
    } while (speech->answer.has_block2 && speech->answer.block2.more);
    if (status == ENDED_WELL && coap_class(speech->answer.message.code) == 2)
        talk_show(talk, slice_of_str(watch->topic), buffer_slice(&whole));
    buffer_clear(&whole);
    return status;
}

static int listen_for(struct talk *talk, uint64_t wait_ms)
{
    struct speech *speech = talk->state;
    for (size_t i = 0; i < talk->order->topic_count; i++)
        if (speech->watches[i].rest && fetch(talk, &speech->watches[i]) != ENDED_WELL)
            return ENDED_FAILED;
    return talk_is_over(talk) ? ENDED_WELL : talk_hear(talk, wait_ms, hear);
}

static void leave(struct talk *talk)
{
    struct speech *speech = talk->state;
    for (size_t i = 0; i < ORDER_TOPICS && speech->watches[i].topic; i++) {
        uint8_t room[HEAD_MOST + ECHO_MOST + 4096];
        struct writer w = writer_of(room, sizeof(room));
        struct call call = call_of(talk, COAP_GET, speech->watches[i].topic);
        call.observe = OBSERVE_END;
        call.token = speech->watches[i].token;
        call.confirmable = false;
        speech->id++;
        write_call(&w, speech, &call);
        if (!w.overflow)
            road_send(talk->road, slice_of(room, writer_len(&w)));
    }
    buffer_clear(&speech->body);
}

const struct dialect coap_dialect = {
    .name = "coap",
    .port = 5683,
    .secure_port = 5684,
    .most_qos = 1,
    .state_size = sizeof(struct speech),
    .enter = enter,
    .publish = publish,
    .subscribe = subscribe,
    .listen = listen_for,
    .leave = leave,
};
