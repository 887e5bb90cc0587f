/* paho_client: siotd as seen by Paho C's blocking client, in MQTT 3.1, 3.1.1 and 5.0.
 *
 * Every call waits for its answer, so the program reads from top to bottom; messages are fetched
 * with MQTTClient_receive. */
#include "interop/checks.h"

#include <MQTTClient.h>

enum { PATIENCE_MS = 10000, MESSAGES = 10 /* the library has ten under way at most */ };

static const char *const version_names[] = {"", "", "", "3.1", "3.1.1", "5.0"};

/* One client and whatever its last connect said. */
struct client {
    MQTTClient handle;
    int version;
    int session_present;
    int result; /* of the connect */
};

/* A new client, not yet connected. */
static struct client client_of(const struct arguments *a, const char *id, int version)
{
    struct client c = {.version = version};
    char uri[64];
    MQTTClient_createOptions options = MQTTClient_createOptions_initializer;
    options.MQTTVersion = version;
    snprintf(uri, sizeof(uri), "tcp://127.0.0.1:%d", a->port);
    if (MQTTClient_createWithOptions(&c.handle, uri, id, MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                     &options) != MQTTCLIENT_SUCCESS) {
        printf("FAILED making a client\n");
        exit(1);
    }
    return c;
}

/* Connects; a 5.0 session that is not clean outlives the connection by a minute. */
static bool client_connect(struct client *c, bool clean, MQTTClient_willOptions *will)
{
    if (c->version == MQTTVERSION_5) {
        MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer5;
        MQTTProperties properties = MQTTProperties_initializer;
        MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
        expiry.value.integer4 = 60;
        if (!clean)
            MQTTProperties_add(&properties, &expiry);
        options.cleanstart = clean;
        options.will = will;
        MQTTResponse response = MQTTClient_connect5(c->handle, &options, &properties, NULL);
        c->result = response.reasonCode;
        c->session_present = options.returned.sessionPresent;
        MQTTResponse_free(response);
        MQTTProperties_free(&properties);
    } else {
        MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
        options.MQTTVersion = c->version;
        options.cleansession = clean;
        options.will = will;
        c->result = MQTTClient_connect(c->handle, &options);
        c->session_present = options.returned.sessionPresent;
    }
    return c->result == 0;
}

/* The granted QoS or a reason of 0x80 and more. */
static int client_subscribe(struct client *c, const char *filter, int qos)
{
    if (c->version != MQTTVERSION_5)
        return MQTTClient_subscribe(c->handle, filter, qos) == MQTTCLIENT_SUCCESS ? qos : 0x80;
    MQTTResponse response = MQTTClient_subscribe5(c->handle, filter, qos, NULL, NULL);
    int reason = response.reasonCode;
    MQTTResponse_free(response);
    return reason;
}

/* Publishes without waiting for the exchange to be complete; *token stands for it. */
static bool client_start(struct client *c, const char *topic, const char *payload, int qos,
                         bool retain, MQTTClient_deliveryToken *token)
{
    if (c->version == MQTTVERSION_5) {
        MQTTResponse response = MQTTClient_publish5(c->handle, topic, (int)strlen(payload), payload,
                                                    qos, retain, NULL, token);
        int reason = response.reasonCode;
        MQTTResponse_free(response);
        if (reason != 0)
            return false;
    } else if (MQTTClient_publish(c->handle, topic, (int)strlen(payload), payload, qos, retain,
                                  token) != MQTTCLIENT_SUCCESS) {
        return false;
    }
    return true;
}

/* Whether the exchange completes in time. The library looks every 100 ms only. */
static bool client_complete(struct client *c, int qos, MQTTClient_deliveryToken token)
{
    return qos == 0 || MQTTClient_waitForCompletion(c->handle, token, PATIENCE_MS) == 0;
}

/* Publishes and waits until the exchange is complete. */
static bool client_publish(struct client *c, const char *topic, const char *payload, int qos,
                           bool retain)
{
    MQTTClient_deliveryToken token = 0;
    return client_start(c, topic, payload, qos, retain, &token) && client_complete(c, qos, token);
}

static void client_goodbye(struct client *c)
{
    if (c->version == MQTTVERSION_5)
        MQTTClient_disconnect5(c->handle, 1000, MQTTREASONCODE_SUCCESS, NULL);
    else
        MQTTClient_disconnect(c->handle, 1000);
    MQTTClient_destroy(&c->handle);
}

/* A message as "topic|qos|retain|payload"; "" when none comes in time. */
struct heard {
    char text[256];
};

static struct heard client_hear(struct client *c, unsigned long limit_ms)
{
    struct heard heard = {""};
    char *topic = NULL;
    int topic_len = 0;
    MQTTClient_message *message = NULL;
    MQTTClient_receive(c->handle, &topic, &topic_len, &message, limit_ms);
    if (message != NULL) {
        snprintf(heard.text, sizeof(heard.text), "%s|%d|%d|%.*s", topic, message->qos,
                 message->retained, message->payloadlen, (const char *)message->payload);
        MQTTClient_freeMessage(&message);
        MQTTClient_free(topic);
    }
    return heard;
}

/* Whether the next message is this one; the check's name gets the version. */
static void expect(struct client *c, const char *name, const char *wanted)
{
    char title[160];
    struct heard heard = client_hear(c, PATIENCE_MS);
    snprintf(title, sizeof(title), "%s, MQTT %s", name, version_names[c->version]);
    check(title, strcmp(heard.text, wanted) == 0, heard.text);
}

static void check_qos(const struct arguments *a, int version)
{
    struct client c = client_of(a, "", version);
    char topic[64], wanted[128], id[32], title[96];
    /* MQTT 3.1 has no empty id. */
    if (version == MQTTVERSION_3_1) {
        MQTTClient_destroy(&c.handle);
        snprintf(id, sizeof(id), "%s-q", a->prefix);
        c = client_of(a, id, version);
    }
    client_connect(&c, true, NULL);
    for (int qos = 0; qos <= 2; qos++) {
        snprintf(topic, sizeof(topic), "%s/%d/%d", a->prefix, version, qos);
        snprintf(title, sizeof(title), "QoS %d is granted, MQTT %s", qos, version_names[version]);
        check_number(title, client_subscribe(&c, topic, qos), qos);
        bool sent = true, in_order = true;
        MQTTClient_deliveryToken tokens[MESSAGES] = {0};
        for (int i = 0; i < MESSAGES; i++) {
            char payload[16];
            snprintf(payload, sizeof(payload), "%d", i);
            sent = sent && client_start(&c, topic, payload, qos, false, &tokens[i]);
        }
        for (int i = 0; i < MESSAGES; i++) {
            snprintf(wanted, sizeof(wanted), "%s|%d|0|%d", topic, qos, i);
            in_order = in_order && strcmp(client_hear(&c, PATIENCE_MS).text, wanted) == 0;
        }
        for (int i = 0; i < MESSAGES; i++)
            sent = sent && client_complete(&c, qos, tokens[i]);
        snprintf(title, sizeof(title), "messages to itself are heard in order, MQTT %s, QoS %d",
                 version_names[version], qos);
        check(title, sent && in_order, sent ? "not in order" : "not acknowledged");
    }
    snprintf(topic, sizeof(topic), "%s/%d/kept", a->prefix, version);
    client_publish(&c, topic, "kept", 1, true);
    client_subscribe(&c, topic, 1);
    snprintf(wanted, sizeof(wanted), "%s|1|1|kept", topic);
    expect(&c, "a retained message comes with its flag", wanted);
    client_publish(&c, topic, "", 1, true);
    client_goodbye(&c);
}

static void check_session(const struct arguments *a, int version)
{
    char id[32], topic[64], wanted[128], title[96];
    snprintf(id, sizeof(id), "%s-s%d", a->prefix, version);
    snprintf(topic, sizeof(topic), "%s/%d/session", a->prefix, version);
    struct client c = client_of(a, id, version);
    client_connect(&c, false, NULL);
    client_subscribe(&c, topic, 2);
    client_goodbye(&c);

    struct client other =
        client_of(a, "", version == MQTTVERSION_3_1 ? MQTTVERSION_3_1_1 : version);
    client_connect(&other, true, NULL);
    client_publish(&other, topic, "one", 1, false);
    client_publish(&other, topic, "two", 2, false);
    client_goodbye(&other);

    c = client_of(a, id, version);
    client_connect(&c, false, NULL);
    if (version == MQTTVERSION_3_1_1) { /* the library tells it for this version only */
        snprintf(title, sizeof(title), "the session is present, MQTT %s", version_names[version]);
        check_number(title, c.session_present, 1);
    }
    snprintf(wanted, sizeof(wanted), "%s|1|0|one", topic);
    expect(&c, "a session kept QoS 1", wanted);
    snprintf(wanted, sizeof(wanted), "%s|2|0|two", topic);
    expect(&c, "a session kept QoS 2", wanted);
    client_goodbye(&c);
}

static void check_will(const struct arguments *a, int version)
{
    char id[32], topic[64], wanted[128], title[96];
    snprintf(id, sizeof(id), "%s-w%d", a->prefix, version);
    snprintf(topic, sizeof(topic), "%s/%d/will", a->prefix, version);
    MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
    will.topicName = topic;
    will.message = "gone";
    will.qos = 2;
    struct client watcher =
        client_of(a, "", version == MQTTVERSION_3_1 ? MQTTVERSION_3_1_1 : version);
    client_connect(&watcher, true, NULL);
    client_subscribe(&watcher, topic, 2);
    struct client first = client_of(a, id, version), second = client_of(a, id, version);
    client_connect(&first, true, &will);
    client_connect(&second, true, NULL); /* takes over, and so ends the first one's connection */
    snprintf(wanted, sizeof(wanted), "%s|2|0|gone", topic);
    snprintf(title, sizeof(title), "taking over a client of MQTT %s publishes its will to one",
             version_names[version]);
    expect(&watcher, title, wanted);
    MQTTClient_destroy(&first.handle);
    client_goodbye(&second);
    client_goodbye(&watcher);
}

static int checks(const struct arguments *a)
{
    for (int version = MQTTVERSION_3_1; version <= MQTTVERSION_5; version++) {
        check_qos(a, version);
        check_session(a, version);
        check_will(a, version);
    }
    return checks_status();
}

static int subscribe(const struct arguments *a)
{
    char id[32];
    snprintf(id, sizeof(id), "pc-s%d-%d", a->version, (int)getpid());
    struct client c = client_of(a, id, a->version);
    if (!client_connect(&c, true, NULL) || client_subscribe(&c, a->topic, 2) != 2)
        return 1;
    printf("ready\n");
    fflush(stdout);
    int heard = 0;
    for (long due = now_ms() + 40000; heard < a->count && now_ms() < due;) {
        struct heard message = client_hear(&c, 1000);
        char topic[128], payload[64];
        int qos;
        if (sscanf(message.text, "%127[^|]|%d|%*d|%63s", topic, &qos, payload) == 3) {
            printf("%s|%d|%s\n", topic, qos, payload);
            fflush(stdout);
            heard++;
        }
    }
    client_goodbye(&c);
    return heard == a->count ? 0 : 1;
}

static int publish(const struct arguments *a)
{
    char id[32], topic[128], payload[16];
    snprintf(id, sizeof(id), "pc-p%d-%d", a->version, (int)getpid());
    struct client c = client_of(a, id, a->version);
    bool all = client_connect(&c, true, NULL);
    for (int qos = 0; all && qos <= 2; qos++) {
        MQTTClient_deliveryToken token = 0;
        snprintf(topic, sizeof(topic), "%s/%d", a->topic, qos);
        for (int i = 0; i < a->count; i++) {
            snprintf(payload, sizeof(payload), "%d", i);
            /* Ten may be under way; the call itself waits while there are. */
            all = all && client_start(&c, topic, payload, qos, false, &token);
            if (i % 10 == 9 || i + 1 == a->count)
                all = all && client_complete(&c, qos, token);
        }
    }
    client_goodbye(&c);
    return all ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct arguments a = arguments_of(argc, argv);
    return strcmp(a.command, "checks") == 0 ? checks(&a)
           : strcmp(a.command, "sub") == 0  ? subscribe(&a)
                                            : publish(&a);
}
