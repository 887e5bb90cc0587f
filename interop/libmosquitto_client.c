/* libmosquitto_client: siotd as seen by a program on libmosquitto, in the ways that mosquitto_pub
 * and mosquitto_sub do not go: several filters in one packet, granted QoS, the session-present
 * flag, reason codes and properties of acknowledgements.
 *
 * One thread: the library's loop is turned until what is awaited has come or time is up. */
#include "interop/checks.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>

enum { PATIENCE_MS = 15000, BURST = 500 };

/* What the callbacks have seen of one client. */
struct seen {
    bool connected, disconnected;
    int session_present;
    int granted[4], granted_count;
    int unsubscribed;
    int published, publish_reason;
    int messages, out_of_order, duplicates;
    char last_topic[128], last_payload[128];
    char *assigned_id;
    bool print;
};

static void on_connect(struct mosquitto *m, void *user, int reason, int flags,
                       const mosquitto_property *properties)
{
    struct seen *s = user;
    (void)m;
    s->connected = true;
    if (reason != 0)
        printf("FAILED connecting: refused with %d\n", reason);
    s->session_present = flags & 1;
    mosquitto_property_read_string(properties, MQTT_PROP_ASSIGNED_CLIENT_IDENTIFIER,
                                   &s->assigned_id, false);
}

static void on_disconnect(struct mosquitto *m, void *user, int reason,
                          const mosquitto_property *properties)
{
    (void)m;
    (void)reason;
    (void)properties;
    ((struct seen *)user)->disconnected = true;
}

static void on_subscribe(struct mosquitto *m, void *user, int mid, int count, const int *granted,
                         const mosquitto_property *properties)
{
    struct seen *s = user;
    (void)m;
    (void)mid;
    (void)properties;
    for (int i = 0; i < count && i < 4; i++)
        s->granted[i] = granted[i];
    s->granted_count = count;
}

static void on_unsubscribe(struct mosquitto *m, void *user, int mid,
                           const mosquitto_property *properties)
{
    (void)m;
    (void)mid;
    (void)properties;
    ((struct seen *)user)->unsubscribed++;
}

static void on_publish(struct mosquitto *m, void *user, int mid, int reason,
                       const mosquitto_property *properties)
{
    struct seen *s = user;
    (void)m;
    (void)mid;
    (void)properties;
    s->published++;
    s->publish_reason = reason;
}

static void on_message(struct mosquitto *m, void *user, const struct mosquitto_message *message,
                       const mosquitto_property *properties)
{
    struct seen *s = user;
    (void)m;
    (void)properties;
    snprintf(s->last_topic, sizeof(s->last_topic), "%s", message->topic);
    snprintf(s->last_payload, sizeof(s->last_payload), "%.*s", message->payloadlen,
             message->payloadlen ? (const char *)message->payload : "");
    if (atoi(s->last_payload) < s->messages)
        s->duplicates++;
    else if (atoi(s->last_payload) > s->messages)
        s->out_of_order++;
    s->messages++;
    if (s->print)
        printf("%s|%d|%s\n", s->last_topic, message->qos, s->last_payload);
}

/* A client that has asked to connect; id NULL has the broker make one. */
static struct mosquitto *start(const struct arguments *a, const char *id, bool clean, int version,
                               struct seen *s, uint32_t session_expiry_s)
{
    struct mosquitto *m = mosquitto_new(id, clean, s);
    mosquitto_property *properties = NULL;
    mosquitto_int_option(m, MOSQ_OPT_PROTOCOL_VERSION, version);
    mosquitto_max_inflight_messages_set(m, 20);
    mosquitto_connect_v5_callback_set(m, on_connect);
    mosquitto_disconnect_v5_callback_set(m, on_disconnect);
    mosquitto_subscribe_v5_callback_set(m, on_subscribe);
    mosquitto_unsubscribe_v5_callback_set(m, on_unsubscribe);
    mosquitto_publish_v5_callback_set(m, on_publish);
    mosquitto_message_v5_callback_set(m, on_message);
    if (version == MQTT_PROTOCOL_V5 && session_expiry_s > 0)
        mosquitto_property_add_int32(&properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL,
                                     session_expiry_s);
    int result = mosquitto_connect_bind_v5(m, "127.0.0.1", a->port, 60, NULL, properties);
    mosquitto_property_free_all(&properties);
    if (result != MOSQ_ERR_SUCCESS) {
        printf("FAILED connecting: %s\n", mosquitto_strerror(result));
        exit(1);
    }
    return m;
}

/* Turns the client's loop until *number is at least `wanted`; whether it is. */
static bool turn(struct mosquitto *m, const int *number, int wanted)
{
    long due = now_ms() + PATIENCE_MS;
    while (*number < wanted && now_ms() < due) {
        if (mosquitto_loop(m, 50, 1) != MOSQ_ERR_SUCCESS)
            break;
    }
    return *number >= wanted;
}

static bool turn_until(struct mosquitto *m, const bool *flag)
{
    long due = now_ms() + PATIENCE_MS;
    while (!*flag && now_ms() < due) {
        if (mosquitto_loop(m, 50, 1) != MOSQ_ERR_SUCCESS)
            break;
    }
    return *flag;
}

static void finish(struct mosquitto *m, struct seen *s)
{
    mosquitto_disconnect(m);
    turn_until(m, &s->disconnected);
    mosquitto_destroy(m);
    free(s->assigned_id);
}

static void check_grants(const struct arguments *a, int version, const char *name)
{
    struct seen s = {0};
    char topics[4][64], title[96];
    char *filters[4];
    for (int i = 0; i < 4; i++) {
        snprintf(topics[i], sizeof(topics[i]), "%s/%d/grant/%d", a->prefix, version, i);
        filters[i] = topics[i];
    }
    struct mosquitto *m = start(a, NULL, true, version, &s, 0);
    turn_until(m, &s.connected);
    /* The library sends one QoS for all filters of a packet. */
    mosquitto_subscribe_multiple(m, NULL, 4, filters, 1, 0, NULL);
    turn(m, &s.granted_count, 4);
    snprintf(title, sizeof(title), "four filters in one packet are granted, MQTT %s", name);
    check(title, s.granted_count == 4 && s.granted[0] == 1 && s.granted[3] == 1, "other grants");
    mosquitto_unsubscribe_multiple(m, NULL, 3, filters, NULL);
    turn(m, &s.unsubscribed, 1);
    for (int i = 0; i < 4; i++)
        mosquitto_publish(m, NULL, topics[i], 1, "0", 1, false);
    turn(m, &s.published, 4);
    turn(m, &s.messages, 1);
    snprintf(title, sizeof(title), "three of four filters are taken back, MQTT %s", name);
    check(title, s.messages == 1 && strcmp(s.last_topic, topics[3]) == 0, s.last_topic);
    finish(m, &s);
}

static void check_burst(const struct arguments *a, int version, const char *name)
{
    for (int qos = 0; qos <= 2; qos++) {
        struct seen s = {0};
        char topic[64], payload[16], title[96], why[96];
        snprintf(topic, sizeof(topic), "%s/%d/burst/%d", a->prefix, version, qos);
        struct mosquitto *m = start(a, NULL, true, version, &s, 0);
        turn_until(m, &s.connected);
        mosquitto_subscribe(m, NULL, topic, qos);
        turn(m, &s.granted_count, 1);
        for (int i = 0; i < BURST; i++) {
            int length = snprintf(payload, sizeof(payload), "%d", i);
            mosquitto_publish(m, NULL, topic, length, payload, qos, false);
        }
        turn(m, &s.messages, BURST);
        turn(m, &s.published, BURST);
        snprintf(title, sizeof(title), "%d messages to itself in order, MQTT %s, QoS %d", BURST,
                 name, qos);
        snprintf(why, sizeof(why), "%d came, %d too early, %d again, %d acknowledged", s.messages,
                 s.out_of_order, s.duplicates, s.published);
        check(title,
              s.messages == BURST && !s.out_of_order && !s.duplicates && s.published == BURST, why);
        finish(m, &s);
    }
}

static void check_session(const struct arguments *a, int version, const char *name)
{
    char id[32], topic[64], title[96];
    snprintf(id, sizeof(id), "%s-%d", a->prefix, version);
    snprintf(topic, sizeof(topic), "%s/%d/session", a->prefix, version);
    for (int turn_number = 0; turn_number < 2; turn_number++) {
        struct seen s = {0};
        struct mosquitto *m = start(a, id, false, version, &s, 60);
        turn_until(m, &s.connected);
        /* MQTT 3.1 has no such flag; the session itself is seen by what it kept. */
        if (version != MQTT_PROTOCOL_V31) {
            snprintf(title, sizeof(title), "session present is %d, MQTT %s", turn_number, name);
            check_number(title, s.session_present, turn_number);
        }
        if (turn_number == 0) {
            mosquitto_subscribe(m, NULL, topic, 1);
            turn(m, &s.granted_count, 1);
        } else {
            mosquitto_publish(m, NULL, topic, 1, "0", 1, false);
            turn(m, &s.messages, 1);
            snprintf(title, sizeof(title), "the subscription is still there, MQTT %s", name);
            check(title, s.messages == 1, "no message");
        }
        finish(m, &s);
    }
}

static void check_five(const struct arguments *a)
{
    struct seen s = {0};
    char topic[64];
    snprintf(topic, sizeof(topic), "%s/nobody", a->prefix);
    struct mosquitto *m = start(a, NULL, true, MQTT_PROTOCOL_V5, &s, 0);
    turn_until(m, &s.connected);
    check("a client without an id is told the one it got", s.assigned_id && s.assigned_id[0],
          "no Assigned Client Identifier");
    mosquitto_publish(m, NULL, topic, 1, "0", 1, false);
    turn(m, &s.published, 1);
    check_number("a message that nobody wants is acknowledged with 0x10 or 0x00",
                 s.publish_reason & ~0x10, 0);
    finish(m, &s);
}

static int checks(const struct arguments *a)
{
    static const struct {
        int version;
        const char *name;
    } versions[] = {
        {MQTT_PROTOCOL_V31, "3.1"}, {MQTT_PROTOCOL_V311, "3.1.1"}, {MQTT_PROTOCOL_V5, "5.0"}};
    for (size_t i = 0; i < 3; i++) {
        check_grants(a, versions[i].version, versions[i].name);
        check_burst(a, versions[i].version, versions[i].name);
        check_session(a, versions[i].version, versions[i].name);
    }
    check_five(a);
    return checks_status();
}

static int subscribe(const struct arguments *a)
{
    struct seen s = {.print = true};
    struct mosquitto *m = start(a, NULL, true, a->version, &s, 0);
    turn_until(m, &s.connected);
    mosquitto_subscribe(m, NULL, a->topic, 2);
    if (!turn(m, &s.granted_count, 1))
        return 1;
    printf("ready\n");
    fflush(stdout);
    long due = now_ms() + 40000;
    while (s.messages < a->count && now_ms() < due && mosquitto_loop(m, 50, 1) == MOSQ_ERR_SUCCESS)
        fflush(stdout);
    bool all = s.messages == a->count;
    finish(m, &s);
    return all ? 0 : 1;
}

static int publish(const struct arguments *a)
{
    struct seen s = {0};
    char topic[128], payload[16];
    struct mosquitto *m = start(a, NULL, true, a->version, &s, 0);
    turn_until(m, &s.connected);
    for (int qos = 0; qos <= 2; qos++) {
        snprintf(topic, sizeof(topic), "%s/%d", a->topic, qos);
        for (int i = 0; i < a->count; i++) {
            int length = snprintf(payload, sizeof(payload), "%d", i);
            mosquitto_publish(m, NULL, topic, length, payload, qos, false);
        }
    }
    bool all = turn(m, &s.published, 3 * a->count);
    finish(m, &s);
    return all ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct arguments a = arguments_of(argc, argv);
    mosquitto_lib_init();
    int status = strcmp(a.command, "checks") == 0 ? checks(&a)
                 : strcmp(a.command, "sub") == 0  ? subscribe(&a)
                                                  : publish(&a);
    mosquitto_lib_cleanup();
    return status;
}
