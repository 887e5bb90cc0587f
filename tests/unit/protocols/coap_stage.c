/* coap_stage: see coap_stage.h. */
#include "coap_stage.h"

#include "base/hash.h"
#include "protocols/coap/coap.h"
#include "protocols/coap/encode.h"
#include "protocols/coap/format.h"
#include "protocols/coap/home.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 70000 };

/* ---- the ear ---- */

static enum sink_answer ear_deliver(struct sink *sink, const struct delivery *d)
{
    struct ear *ear = (struct ear *)sink;
    const struct message *m = d->message;
    ear->count++;
    snprintf(ear->topic, sizeof ear->topic, "%.*s", SLICE_FMT(d->topic));
    snprintf(ear->payload, sizeof ear->payload, "%.*s", (int)m->payload_len,
             m->payload_len ? (const char *)m->payload : "");
    ear->payload_len = m->payload_len;
    ear->properties_len = m->properties_len;
    assert(m->properties_len <= sizeof ear->properties);
    if (m->properties_len)
        memcpy(ear->properties, m->properties, m->properties_len);
    ear->qos = m->qos;
    ear->retain = d->retain;
    ear->expires_ms = m->expires_ms;
    return SINK_TAKEN;
}

static void ear_release(struct sink *sink, uint16_t id)
{
    (void)sink;
    (void)id;
}

static void ear_expel(struct sink *sink, enum expel_reason reason)
{
    (void)reason;
    ((struct ear *)sink)->session = NULL;
}

static const struct sink_verbs ear_verbs = {ear_deliver, ear_release, ear_expel, NULL};

static void ear_listen(struct stage *stage)
{
    struct identity *identity = identity_new(SLICE("ear"), false);
    struct connect_request request = {.client_id = SLICE("ear"),
                                      .identity = identity,
                                      .mountpoint = "",
                                      .protocol = "test",
                                      .clean_start = true,
                                      .receive_maximum = 10,
                                      .inbound_maximum = 10};
    struct subscribe_options options = {.retain_as_published = true};
    bool present;
    stage->ear.sink.verbs = &ear_verbs;
    enum verdict verdict = broker_connect(stage->air.broker, &request, &stage->ear.sink,
                                          &stage->ear.session, &present);
    assert(verdict == VERDICT_OK);
    session_resume(stage->ear.session);
    verdict = broker_subscribe(stage->air.broker, stage->ear.session, SLICE("#"), &options);
    assert(verdict == VERDICT_OK);
    (void)verdict;
    identity_unref(identity);
}

/* ---- the stage ---- */

void stage_init(struct stage *stage)
{
    *stage = (struct stage){.options = {.echo = true,
                                        .notify = COAP_NOTIFY_QOS,
                                        .block_size = 1024,
                                        .observations = 64,
                                        .observer_check = 24 * 3600 * 1000,
                                        .exchanges = 65536,
                                        .uploads = 64,
                                        .upload_bytes = 8 * 1024 * 1024,
                                        .topics = 1000,
                                        .publish_rate = OPTION_UNLIMITED,
                                        .retry_after = 5000}};
    hash_start(42);
    air_init(&stage->air, &coap_protocol, &stage->options);
    ear_listen(stage);
}

void stage_clear(struct stage *stage)
{
    air_clear(&stage->air);
    coap_home_clear();
}

static size_t write_type(uint8_t *to, size_t size, const char *type)
{
    struct writer w = writer_of(to, size);
    writer_u8(&w, 3);
    writer_u16(&w, (uint16_t)strlen(type));
    writer_bytes(&w, slice_of_str(type));
    return writer_len(&w);
}

void stage_publish_bytes(struct stage *stage, const char *topic, struct slice payload, unsigned qos,
                         bool retain, const char *type)
{
    uint8_t properties[128];
    struct message m = {.topic = (const uint8_t *)topic,
                        .topic_len = (uint16_t)strlen(topic),
                        .payload = payload.at,
                        .payload_len = (uint32_t)payload.len,
                        .qos = (uint8_t)qos,
                        .retain = retain};
    if (type) {
        m.properties = properties;
        m.properties_len = (uint32_t)write_type(properties, sizeof properties, type);
    }
    broker_publish_own(stage->air.broker, &m);
    message_end(&m);
    air_turn(&stage->air);
}

void stage_publish(struct stage *stage, const char *topic, const char *payload, unsigned qos,
                   bool retain, const char *type)
{
    stage_publish_bytes(stage, topic, slice_of_str(payload), qos, retain, type);
}

static void no_mistake(void *to, unsigned line, unsigned column, const char *why)
{
    (void)to;
    fprintf(stderr, "rule in line %u:%u: %s\n", line, column, why);
    abort();
}

void stage_rules(struct stage *stage, const char *acl)
{
    struct access *access = access_new();
    assert(access);
    access->governs = true;
    size_t mistakes =
        acl_read_mosquitto(access->acl, "acl", slice_of_str(acl), no_mistake, NULL) +
        acl_read_mosquitto(access->acl, "ear", SLICE("user ear\ntopic read #\n"), no_mistake, NULL);
    bool sealed = acl_seal(access->acl);
    assert(mistakes == 0 && sealed);
    (void)mistakes;
    (void)sealed;
    broker_set_access(stage->air.broker, access);
    access_unref(access);
    air_turn(&stage->air);
}

/* ---- requests ---- */

static void write_path(struct writer *w, uint32_t *last, enum coap_option_number number,
                       const char *text, char cut)
{
    while (text) {
        const char *end = strchr(text, cut);
        size_t len = end ? (size_t)(end - text) : strlen(text);
        coap_write_option(w, last, number, slice_of(text, len));
        text = end ? end + 1 : NULL;
    }
}

static void write_extra(struct writer *w, uint32_t *last, const struct ask *ask, uint32_t before)
{
    if (ask->extra > *last && ask->extra < before)
        coap_write_option(w, last, ask->extra, ask->value);
}

size_t ask_write(const struct ask *ask, uint8_t *to, size_t size)
{
    static uint16_t ids = 100;
    struct writer w = writer_of(to, size);
    uint32_t last = 0;
    coap_write_head(&w, ask->non ? COAP_NON : COAP_CON, ask->code, ask->id ? ask->id : ++ids,
                    slice_of_str(ask->token ? ask->token : ""));
    write_extra(&w, &last, ask, COAP_IF_MATCH + 1);
    if (ask->if_match.at)
        coap_write_option(&w, &last, COAP_IF_MATCH, ask->if_match);
    write_extra(&w, &last, ask, COAP_ETAG);
    if (ask->etag.at)
        coap_write_option(&w, &last, COAP_ETAG, ask->etag);
    if (ask->if_none_match)
        coap_write_option(&w, &last, COAP_IF_NONE_MATCH, SLICE_EMPTY);
    if (ask->observe)
        coap_write_uint(&w, &last, COAP_OBSERVE, ask->observe - 1);
    write_extra(&w, &last, ask, COAP_URI_PATH);
    write_path(&w, &last, COAP_URI_PATH, ask->path, '/');
    if (ask->format)
        coap_write_uint(&w, &last, COAP_CONTENT_FORMAT, ask->format - 1);
    write_extra(&w, &last, ask, COAP_MAX_AGE);
    if (ask->max_age)
        coap_write_uint(&w, &last, COAP_MAX_AGE, ask->max_age - 1);
    write_path(&w, &last, COAP_URI_QUERY, ask->query, '&');
    if (ask->accept)
        coap_write_uint(&w, &last, COAP_ACCEPT, ask->accept - 1);
    write_extra(&w, &last, ask, COAP_BLOCK2);
    if (ask->block2)
        coap_write_block(&w, &last, COAP_BLOCK2, *ask->block2);
    if (ask->block1)
        coap_write_block(&w, &last, COAP_BLOCK1, *ask->block1);
    write_extra(&w, &last, ask, COAP_SIZE1);
    if (ask->size1)
        coap_write_uint(&w, &last, COAP_SIZE1, ask->size1);
    if (ask->echo.at)
        coap_write_option(&w, &last, COAP_ECHO, ask->echo);
    if (ask->no_response)
        coap_write_uint(&w, &last, COAP_NO_RESPONSE, ask->no_response);
    if (ask->tag.at)
        coap_write_option(&w, &last, COAP_REQUEST_TAG, ask->tag);
    write_extra(&w, &last, ask, UINT32_MAX);
    coap_write_payload(&w, ask->payload);
    assert(!w.overflow);
    return writer_len(&w);
}

void say(struct device *device, const struct ask *ask)
{
    uint8_t *bytes = malloc(MOST);
    assert(bytes);
    size_t len = ask_write(ask, bytes, MOST);
    device_say(device, slice_of(bytes, len));
    free(bytes);
}

void say_empty(struct device *device, enum coap_type type, uint16_t id)
{
    uint8_t bytes[4];
    struct writer w = writer_of(bytes, sizeof bytes);
    coap_write_head(&w, type, COAP_EMPTY, id, SLICE_EMPTY);
    device_say(device, slice_of(bytes, sizeof bytes));
}

/* ---- replies ---- */

static struct coap_block block_of(struct slice value)
{
    uint32_t bits = coap_uint(value);
    return (struct coap_block){bits >> 4, bits >> 3 & 1, bits & 7};
}

static void take(struct reply *reply, const struct coap_option *o)
{
    size_t used = strlen(reply->location);
    switch (o->number) {
    case COAP_ETAG:
        reply->etag = o->value;
        break;
    case COAP_OBSERVE:
        reply->has_observe = true;
        reply->observe = coap_uint(o->value);
        break;
    case COAP_LOCATION_PATH:
        snprintf(reply->location + used, sizeof reply->location - used, "/%.*s",
                 SLICE_FMT(o->value));
        break;
    case COAP_CONTENT_FORMAT:
        reply->format = coap_uint(o->value);
        break;
    case COAP_MAX_AGE:
        reply->has_max_age = true;
        reply->max_age = coap_uint(o->value);
        break;
    case COAP_BLOCK2:
        reply->has_block2 = true;
        reply->block2 = block_of(o->value);
        break;
    case COAP_BLOCK1:
        reply->has_block1 = true;
        reply->block1 = block_of(o->value);
        break;
    case COAP_SIZE2:
        reply->has_size2 = true;
        reply->size2 = coap_uint(o->value);
        break;
    case COAP_SIZE1:
        reply->has_size1 = true;
        reply->size1 = coap_uint(o->value);
        break;
    case COAP_ECHO:
        reply->echo = o->value;
        break;
    default:
        assert(!"an option that siotd should not send");
    }
}

struct reply hear(struct device *device)
{
    struct slice bytes = device_hear(device);
    struct reply reply = {.format = COAP_NO_FORMAT};
    struct coap_message m;
    if (!bytes.at)
        return reply;
    enum coap_decoded decoded = coap_decode(bytes, &m);
    assert(decoded == COAP_WHOLE);
    (void)decoded;
    reply.any = true;
    reply.type = m.type;
    reply.code = m.code;
    reply.id = m.id;
    reply.size = bytes.len;
    reply.token = m.token;
    reply.payload = m.payload;
    struct coap_option_walk walk = coap_walk_of(m.options);
    struct coap_option option;
    while (coap_next_option(&walk, &option))
        take(&reply, &option);
    return reply;
}

struct reply ask(struct device *device, struct ask request)
{
    say(device, &request);
    return hear(device);
}

struct reply ask_verified(struct device *device, struct ask request)
{
    uint8_t echo[40];
    struct reply reply = ask(device, request);
    if (!reply.any || reply.code != COAP_UNAUTHORIZED || !reply.echo.len)
        return reply;
    assert(reply.echo.len <= sizeof echo);
    memcpy(echo, reply.echo.at, reply.echo.len);
    request.echo = slice_of(echo, reply.echo.len);
    if (request.id)
        request.id++;
    return ask(device, request);
}

const char *code_name(uint8_t code)
{
    static char name[8];
    snprintf(name, sizeof name, "%u.%02u", code >> 5, code & 31u);
    return name;
}
