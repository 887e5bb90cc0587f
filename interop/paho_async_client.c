/* paho_async_client: siotd as seen by Paho C's asynchronous client, above all what MQTT 5.0 adds:
 * properties of messages and acknowledgements, subscription options, request and response.
 *
 * The library calls back from a thread of its own. What it tells is put down under one lock, and
 * the program waits for it on one condition. */
#include "interop/checks.h"

#include <MQTTAsync.h>
#include <pthread.h>

enum { PATIENCE_S = 10, MAX_HEARD = 64 };

static const char *const version_names[] = {"", "", "", "3.1", "3.1.1", "5.0"};

/* One message that came. */
struct heard {
    char topic[96], payload[64];
    int qos, retained;
    char content_type[32], response_topic[96], correlation[32], users[96];
    int expiry_s;       /* -1: none told */
    int identifiers[4]; /* subscription identifiers */
    int identifier_count;
};

/* A client and what the library has told of it; `lock` guards all but the handle. */
struct client {
    MQTTAsync handle;
    int version;
    bool print;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int done, failed; /* answers to what was asked */
    int reason;       /* of the last answer */
    int session_present;
    char assigned_id[64];
    struct heard heard[MAX_HEARD];
    int heard_count, read_count;
};

static void copy_text(char *to, size_t size, const char *from, int len)
{
    snprintf(to, size, "%.*s", len, from ? from : "");
}

static void copy_property(char *to, size_t size, MQTTProperties *properties,
                          enum MQTTPropertyCodes which)
{
    MQTTProperty *property = MQTTProperties_getProperty(properties, which);
    if (property)
        copy_text(to, size, property->value.data.data, property->value.data.len);
}

static void answered(struct client *c, int reason, bool failed)
{
    pthread_mutex_lock(&c->lock);
    c->done++;
    c->failed += failed;
    c->reason = reason;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void on_success(void *context, MQTTAsync_successData *said)
{
    struct client *c = context;
    (void)said;
    answered(c, 0, false);
}

static void on_connected(void *context, MQTTAsync_successData *said)
{
    struct client *c = context;
    c->session_present = said ? said->alt.connect.sessionPresent : 0;
    answered(c, 0, false);
}

static void on_failure(void *context, MQTTAsync_failureData *said)
{
    answered(context, said ? said->code : -1, true);
}

static void on_success5(void *context, MQTTAsync_successData5 *said)
{
    answered(context, said ? (int)said->reasonCode : 0, false);
}

static void on_connected5(void *context, MQTTAsync_successData5 *said)
{
    struct client *c = context;
    if (said) {
        c->session_present = said->alt.connect.sessionPresent;
        copy_property(c->assigned_id, sizeof(c->assigned_id), &said->properties,
                      MQTTPROPERTY_CODE_ASSIGNED_CLIENT_IDENTIFER);
    }
    answered(c, said ? (int)said->reasonCode : 0, false);
}

static void on_failure5(void *context, MQTTAsync_failureData5 *said)
{
    answered(context, said ? (int)said->reasonCode : -1, true);
}

static void read_properties(struct heard *h, MQTTProperties *p)
{
    copy_property(h->content_type, sizeof(h->content_type), p, MQTTPROPERTY_CODE_CONTENT_TYPE);
    copy_property(h->response_topic, sizeof(h->response_topic), p,
                  MQTTPROPERTY_CODE_RESPONSE_TOPIC);
    copy_property(h->correlation, sizeof(h->correlation), p, MQTTPROPERTY_CODE_CORRELATION_DATA);
    h->expiry_s = MQTTProperties_hasProperty(p, MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL)
                      ? MQTTProperties_getNumericValue(p, MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL)
                      : -1;
    for (int i = 0; i < p->count; i++) {
        MQTTProperty *one = &p->array[i];
        size_t used = strlen(h->users);
        if (one->identifier == MQTTPROPERTY_CODE_USER_PROPERTY)
            snprintf(h->users + used, sizeof(h->users) - used, "%.*s=%.*s;", one->value.data.len,
                     one->value.data.data, one->value.value.len, one->value.value.data);
        if (one->identifier == MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER && h->identifier_count < 4)
            h->identifiers[h->identifier_count++] = (int)one->value.integer4;
    }
}

static int on_message(void *context, char *topic, int topic_len, MQTTAsync_message *message)
{
    struct client *c = context;
    pthread_mutex_lock(&c->lock);
    struct heard *h = &c->heard[c->heard_count++ % MAX_HEARD];
    memset(h, 0, sizeof(*h));
    copy_text(h->topic, sizeof(h->topic), topic, topic_len ? topic_len : (int)strlen(topic));
    copy_text(h->payload, sizeof(h->payload), message->payload, message->payloadlen);
    h->qos = message->qos;
    h->retained = message->retained;
    read_properties(h, &message->properties);
    if (c->print) {
        printf("%s|%d|%s\n", h->topic, h->qos, h->payload);
        fflush(stdout);
    }
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

/* Waits until *number has reached `wanted`; whether it has. */
static bool await(struct client *c, const int *number, int wanted, int limit_s)
{
    struct timespec due;
    clock_gettime(CLOCK_REALTIME, &due);
    due.tv_sec += limit_s;
    pthread_mutex_lock(&c->lock);
    while (*number < wanted && pthread_cond_timedwait(&c->changed, &c->lock, &due) == 0)
        ;
    bool reached = *number >= wanted;
    pthread_mutex_unlock(&c->lock);
    return reached;
}

/* A new client; freed by client_goodbye. */
static struct client *client_new(const struct arguments *a, const char *id, int version)
{
    struct client *c = calloc(1, sizeof(*c));
    char uri[64];
    MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer;
    options.MQTTVersion = version;
    snprintf(uri, sizeof(uri), "tcp://127.0.0.1:%d", a->port);
    if (c == NULL || MQTTAsync_createWithOptions(&c->handle, uri, id, MQTTCLIENT_PERSISTENCE_NONE,
                                                 NULL, &options) != MQTTASYNC_SUCCESS) {
        printf("FAILED making a client\n");
        exit(1);
    }
    c->version = version;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    MQTTAsync_setCallbacks(c->handle, c, NULL, on_message, NULL);
    return c;
}

static bool client_connect(struct client *c, bool clean, int session_expiry_s)
{
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
    expiry.value.integer4 = session_expiry_s;
    MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
    if (c->version == MQTTVERSION_5) {
        MQTTAsync_connectOptions options5 = MQTTAsync_connectOptions_initializer5;
        options = options5;
        options.cleanstart = clean;
        options.onSuccess5 = on_connected5;
        options.onFailure5 = on_failure5;
        MQTTProperties_add(&properties, &expiry);
        options.connectProperties = &properties;
    } else {
        options.MQTTVersion = c->version;
        options.cleansession = clean;
        options.onSuccess = on_connected;
        options.onFailure = on_failure;
    }
    options.context = c;
    int wanted = c->done + 1;
    bool connected = MQTTAsync_connect(c->handle, &options) == MQTTASYNC_SUCCESS &&
                     await(c, &c->done, wanted, PATIENCE_S) && c->failed == 0;
    MQTTProperties_free(&properties);
    return connected;
}

/* The options of a call whose answer comes to `c`. */
static MQTTAsync_responseOptions answer_to(struct client *c)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    if (c->version == MQTTVERSION_5) {
        options.onSuccess5 = on_success5;
        options.onFailure5 = on_failure5;
    } else {
        options.onSuccess = on_success;
        options.onFailure = on_failure;
    }
    options.context = c;
    return options;
}

/* What a subscription may ask for in MQTT 5.0; all zero: nothing. */
struct wishes {
    bool no_local, retain_as_published;
    int retain_handling, identifier;
};

/* The reason, which is the granted QoS unless refused. */
static int client_subscribe(struct client *c, const char *filter, int qos, struct wishes wishes)
{
    MQTTAsync_responseOptions options = answer_to(c);
    MQTTProperty identifier = {.identifier = MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER};
    identifier.value.integer4 = wishes.identifier;
    options.subscribeOptions.noLocal = wishes.no_local;
    options.subscribeOptions.retainAsPublished = wishes.retain_as_published;
    options.subscribeOptions.retainHandling = wishes.retain_handling;
    if (wishes.identifier)
        MQTTProperties_add(&options.properties, &identifier);
    int wanted = c->done + 1;
    int result = MQTTAsync_subscribe(c->handle, filter, qos, &options);
    bool came = result == MQTTASYNC_SUCCESS && await(c, &c->done, wanted, PATIENCE_S);
    MQTTProperties_free(&options.properties);
    return came ? (c->version == MQTTVERSION_5 ? c->reason : qos) : -1;
}

static int client_unsubscribe(struct client *c, const char *filter)
{
    MQTTAsync_responseOptions options = answer_to(c);
    int wanted = c->done + 1;
    int result = MQTTAsync_unsubscribe(c->handle, filter, &options);
    return result == MQTTASYNC_SUCCESS && await(c, &c->done, wanted, PATIENCE_S) ? c->reason : -1;
}

/* Publishes; the caller awaits c->done. The message's properties stay the caller's. */
static bool client_send(struct client *c, const char *topic, const char *payload, int qos,
                        bool retain, MQTTProperties *properties)
{
    MQTTAsync_responseOptions options = answer_to(c);
    MQTTAsync_message message = MQTTAsync_message_initializer;
    message.payload = (void *)payload;
    message.payloadlen = (int)strlen(payload);
    message.qos = qos;
    message.retained = retain;
    if (properties)
        message.properties = *properties;
    return MQTTAsync_sendMessage(c->handle, topic, &message, &options) == MQTTASYNC_SUCCESS;
}

static bool client_publish(struct client *c, const char *topic, const char *payload, int qos,
                           bool retain, MQTTProperties *properties)
{
    int wanted = c->done + 1;
    return client_send(c, topic, payload, qos, retain, properties) &&
           await(c, &c->done, wanted, PATIENCE_S);
}

/* The next message not yet read, or an empty one after `limit_s`. */
static struct heard client_hear(struct client *c, int limit_s)
{
    struct heard h = {.expiry_s = -1};
    if (await(c, &c->heard_count, c->read_count + 1, limit_s)) {
        pthread_mutex_lock(&c->lock);
        h = c->heard[c->read_count++ % MAX_HEARD];
        pthread_mutex_unlock(&c->lock);
    }
    return h;
}

static void client_goodbye(struct client *c)
{
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
    if (c->version == MQTTVERSION_5) {
        MQTTAsync_disconnectOptions options5 = MQTTAsync_disconnectOptions_initializer5;
        options = options5;
        options.onSuccess5 = on_success5;
        options.onFailure5 = on_failure5;
    } else {
        options.onSuccess = on_success;
        options.onFailure = on_failure;
    }
    options.context = c;
    options.timeout = 1000;
    int wanted = c->done + 1;
    if (MQTTAsync_disconnect(c->handle, &options) == MQTTASYNC_SUCCESS)
        await(c, &c->done, wanted, PATIENCE_S);
    MQTTAsync_destroy(&c->handle);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct client *connected(const struct arguments *a, const char *name, int version)
{
    char id[64];
    snprintf(id, sizeof(id), "%s-%s-%d", a->prefix, name, version);
    struct client *c = client_new(a, id, version);
    if (!client_connect(c, true, 0))
        check("connecting", false, "refused or unanswered");
    return c;
}

static void add_text(MQTTProperties *to, enum MQTTPropertyCodes which, const char *text,
                     const char *second)
{
    MQTTProperty property = {.identifier = which};
    property.value.data.data = (char *)text;
    property.value.data.len = (int)strlen(text);
    if (second) {
        property.value.value.data = (char *)second;
        property.value.value.len = (int)strlen(second);
    }
    MQTTProperties_add(to, &property);
}

static void check_properties(const struct arguments *a)
{
    char topic[64], answer[64];
    snprintf(topic, sizeof(topic), "%s/request", a->prefix);
    snprintf(answer, sizeof(answer), "%s/answer", a->prefix);
    struct client *device = connected(a, "device", MQTTVERSION_5);
    struct client *asker = connected(a, "asker", MQTTVERSION_5);
    client_subscribe(device, topic, 2, (struct wishes){.identifier = 7});
    client_subscribe(asker, answer, 1, (struct wishes){0});

    MQTTProperties properties = MQTTProperties_initializer;
    MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL};
    expiry.value.integer4 = 60;
    MQTTProperties_add(&properties, &expiry);
    add_text(&properties, MQTTPROPERTY_CODE_USER_PROPERTY, "b", "1");
    add_text(&properties, MQTTPROPERTY_CODE_CONTENT_TYPE, "text/plain", NULL);
    add_text(&properties, MQTTPROPERTY_CODE_RESPONSE_TOPIC, answer, NULL);
    add_text(&properties, MQTTPROPERTY_CODE_USER_PROPERTY, "a", "2");
    add_text(&properties, MQTTPROPERTY_CODE_CORRELATION_DATA, "c42", NULL);
    add_text(&properties, MQTTPROPERTY_CODE_USER_PROPERTY, "b", "3");
    check("a message with properties is acknowledged",
          client_publish(asker, topic, "how warm", 2, false, &properties), "no answer");
    MQTTProperties_free(&properties);

    struct heard request = client_hear(device, PATIENCE_S);
    check("user properties come in order", strcmp(request.users, "b=1;a=2;b=3;") == 0,
          request.users);
    check("content type comes", strcmp(request.content_type, "text/plain") == 0,
          request.content_type);
    check("correlation data comes", strcmp(request.correlation, "c42") == 0, request.correlation);
    check("the rest of the lifetime is told", request.expiry_s >= 50 && request.expiry_s <= 60,
          "another one");
    check("the subscription's identifier is told",
          request.identifier_count == 1 && request.identifiers[0] == 7, "another one");
    client_publish(device, request.response_topic, "21.5", 1, false, NULL);
    check("the answer comes where it was asked for",
          strcmp(client_hear(asker, PATIENCE_S).payload, "21.5") == 0, "no answer");
    client_goodbye(device);
    client_goodbye(asker);
}

static void check_options(const struct arguments *a)
{
    char topic[64], end[64];
    snprintf(topic, sizeof(topic), "%s/options", a->prefix);
    snprintf(end, sizeof(end), "%s/end", a->prefix);
    struct client *c = connected(a, "options", MQTTVERSION_5);
    client_publish(c, topic, "kept", 1, true, NULL);
    check_number("QoS 1 is granted",
                 client_subscribe(c, topic, 1, (struct wishes){.retain_as_published = true}), 1);
    struct heard h = client_hear(c, PATIENCE_S);
    check("a new subscription gets the retained message",
          strcmp(h.payload, "kept") == 0 && h.retained == 1, h.payload);
    client_subscribe(c, topic, 1,
                     (struct wishes){.retain_as_published = true, .retain_handling = 1});
    client_publish(c, topic, "fresh", 1, true, NULL);
    h = client_hear(c, PATIENCE_S);
    check("a repeated one does not if it asks so, and retain as published keeps the flag",
          strcmp(h.payload, "fresh") == 0 && h.retained == 1, h.payload);
    client_subscribe(c, topic, 1, (struct wishes){.no_local = true, .retain_handling = 2});
    client_subscribe(c, end, 1, (struct wishes){0});
    client_publish(c, topic, "to others only", 1, false, NULL);
    client_publish(c, end, "end", 1, false, NULL);
    h = client_hear(c, PATIENCE_S);
    check("no local keeps a client's own messages away", strcmp(h.payload, "end") == 0, h.payload);
    client_publish(c, topic, "", 1, true, NULL);
    check_number("unsubscribing succeeds", client_unsubscribe(c, topic), 0);
    check_number("unsubscribing from what is not there is told", client_unsubscribe(c, topic),
                 MQTTREASONCODE_NO_SUBSCRIPTION_FOUND);
    client_goodbye(c);
}

static void check_overlap(const struct arguments *a)
{
    char all[64], one[64];
    snprintf(all, sizeof(all), "%s/overlap/#", a->prefix);
    snprintf(one, sizeof(one), "%s/overlap/one", a->prefix);
    struct client *c = connected(a, "overlap", MQTTVERSION_5);
    client_subscribe(c, all, 0, (struct wishes){.identifier = 1});
    client_subscribe(c, one, 2, (struct wishes){.identifier = 2});
    client_publish(c, one, "x", 2, false, NULL);
    /* The broker may send one message with both identifiers or one per subscription. */
    int identifiers = 0, highest_qos = 0;
    for (int i = 0; i < 2 && identifiers != 3; i++) {
        struct heard h = client_hear(c, 2);
        highest_qos = h.qos > highest_qos ? h.qos : highest_qos;
        for (int k = 0; k < h.identifier_count; k++)
            identifiers |= h.identifiers[k];
    }
    check_number("overlapping subscriptions tell both identifiers", identifiers, 3);
    check_number("overlapping subscriptions get the higher QoS", highest_qos, 2);
    client_goodbye(c);
}

static void check_session(const struct arguments *a)
{
    char id[32], topic[64];
    snprintf(id, sizeof(id), "%s-session", a->prefix);
    snprintf(topic, sizeof(topic), "%s/session", a->prefix);
    struct client *c = client_new(a, id, MQTTVERSION_5);
    client_connect(c, true, 60);
    check_number("a clean start has no session", c->session_present, 0);
    client_subscribe(c, topic, 1, (struct wishes){0});
    client_goodbye(c);
    c = client_new(a, id, MQTTVERSION_5);
    client_connect(c, false, 60);
    check_number("the session is there after a return", c->session_present, 1);
    client_publish(c, topic, "x", 1, false, NULL);
    check("and its subscription too", strcmp(client_hear(c, PATIENCE_S).payload, "x") == 0, "none");
    client_goodbye(c);
    c = client_new(a, "", MQTTVERSION_5);
    client_connect(c, true, 0);
    check("a client without an id is told the one it got", c->assigned_id[0] != 0, "none");
    client_goodbye(c);
}

static void check_old(const struct arguments *a, int version)
{
    char topic[64], title[96];
    snprintf(topic, sizeof(topic), "%s/old/%d", a->prefix, version);
    struct client *c = connected(a, "old", version);
    client_subscribe(c, topic, 2, (struct wishes){0});
    for (int qos = 0; qos <= 2; qos++) {
        client_publish(c, topic, "x", qos, false, NULL);
        snprintf(title, sizeof(title), "a message comes back, MQTT %s, QoS %d",
                 version_names[version], qos);
        check_number(title, client_hear(c, PATIENCE_S).qos, qos);
    }
    client_goodbye(c);
}

static int checks(const struct arguments *a)
{
    check_properties(a);
    check_options(a);
    check_overlap(a);
    check_session(a);
    check_old(a, MQTTVERSION_3_1);
    check_old(a, MQTTVERSION_3_1_1);
    return checks_status();
}

static int subscribe(const struct arguments *a)
{
    char id[32];
    snprintf(id, sizeof(id), "pa-s%d-%d", a->version, (int)getpid());
    struct client *c = client_new(a, id, a->version);
    c->print = true;
    if (!client_connect(c, true, 0) || client_subscribe(c, a->topic, 2, (struct wishes){0}) != 2)
        return 1;
    printf("ready\n");
    fflush(stdout);
    bool all = await(c, &c->heard_count, a->count, 40);
    client_goodbye(c);
    return all ? 0 : 1;
}

static int publish(const struct arguments *a)
{
    char id[32], topic[128], payload[16];
    snprintf(id, sizeof(id), "pa-p%d-%d", a->version, (int)getpid());
    struct client *c = client_new(a, id, a->version);
    bool all = client_connect(c, true, 0);
    int before = c->done;
    for (int qos = 0; all && qos <= 2; qos++) {
        snprintf(topic, sizeof(topic), "%s/%d", a->topic, qos);
        for (int i = 0; i < a->count; i++) {
            snprintf(payload, sizeof(payload), "%d", i);
            all = all && client_send(c, topic, payload, qos, false, NULL);
        }
    }
    all = all && await(c, &c->done, before + 3 * a->count, 20);
    client_goodbye(c);
    return all ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct arguments a = arguments_of(argc, argv);
    return strcmp(a.command, "checks") == 0 ? checks(&a)
           : strcmp(a.command, "sub") == 0  ? subscribe(&a)
                                            : publish(&a);
}
