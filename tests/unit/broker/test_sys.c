/* What the daemon says of itself: names that dashboards know, numbers that are numbers, events
 * that no client id can bend. */
#include "fake_client.h"
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct scene {
    struct world *w;
    struct fake_client *dashboard, *c;
};

static int start(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    s->w = world_new();
    s->dashboard = client_new();
    s->c = client_new();
    client_connect(s->w, s->dashboard, "dashboard");
    client_subscribe(s->w, s->dashboard, "$SYS/#", 0);
    *state = s;
    return 0;
}

static int stop(void **state)
{
    struct scene *s = *state;
    world_free(s->w);
    free(s->dashboard);
    free(s->c);
    free(s);
    return 0;
}

/* The last value of a topic, or NULL. */
static const char *value_of(const struct scene *s, const char *topic)
{
    for (size_t i = s->dashboard->count; i > 0; i--)
        if (strcmp(s->dashboard->got[i - 1].topic, topic) == 0)
            return s->dashboard->got[i - 1].payload;
    return NULL;
}

static void say(struct scene *s, uint64_t interval_ms)
{
    client_forget(s->dashboard);
    broker_publish_sys(s->w->broker, interval_ms);
}

static void the_names_are_those_that_dashboards_know(void **state)
{
    struct scene *s = *state;
    static const char *const names[] = {
        "version",
        "uptime",
        "clients/total",
        "clients/connected",
        "clients/disconnected",
        "clients/active",
        "clients/inactive",
        "clients/maximum",
        "clients/expired",
        "messages/received",
        "messages/sent",
        "messages/stored",
        "store/messages/count",
        "store/messages/bytes",
        "publish/messages/received",
        "publish/messages/sent",
        "publish/messages/dropped",
        "publish/bytes/received",
        "publish/bytes/sent",
        "bytes/received",
        "bytes/sent",
        "subscriptions/count",
        "shared_subscriptions/count",
        "retained messages/count",
        "load/messages/received/1min",
        "load/messages/sent/5min",
        "load/publish/received/15min",
        "load/publish/sent/1min",
        "load/publish/dropped/1min",
        "load/bytes/received/1min",
        "load/bytes/sent/1min",
        "load/sockets/1min",
        "load/connections/1min",
    };
    say(s, 10000);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char topic[96];
        snprintf(topic, sizeof topic, "$SYS/broker/%s", names[i]);
        if (!value_of(s, topic))
            fail_msg("%s is not said", topic);
    }
}

static void every_value_but_two_is_a_number(void **state)
{
    struct scene *s = *state;
    say(s, 10000);
    assert_true(s->dashboard->count > 60);
    for (size_t i = 0; i < s->dashboard->count; i++) {
        const char *topic = s->dashboard->got[i].topic, *payload = s->dashboard->got[i].payload;
        if (strcmp(topic, "$SYS/broker/version") == 0 || strcmp(topic, "$SYS/broker/uptime") == 0)
            continue;
        char *end;
        assert_true(isdigit((unsigned char)*payload));
        strtod(payload, &end);
        if (*end)
            fail_msg("%s is \"%s\"", topic, payload);
        assert_int_equal(strchr(payload, '.') != NULL, strstr(topic, "/load/") != NULL);
    }
}

static void others_may_add_values_of_their_own(void **state)
{
    struct scene *s = *state;
    client_forget(s->dashboard);
    broker_say(s->w->broker, "tls", SLICE("a/+b"), "expires_s", -5);
    broker_say(s->w->broker, "tls", SLICE_EMPTY, "handshakes", 7);
    assert_string_equal(value_of(s, "$SYS/broker/tls/a%2F%2Bb/expires_s"), "-5");
    assert_string_equal(value_of(s, "$SYS/broker/tls/handshakes"), "7");
    static uint8_t endless[600];
    memset(endless, 'x', sizeof endless);
    size_t said = s->dashboard->count;
    broker_say(s->w->broker, "tls", slice_of(endless, sizeof endless), "expires_s", 1);
    assert_int_equal(s->dashboard->count, said);
}

static void version_and_uptime_are_texts(void **state)
{
    struct scene *s = *state;
    world_pass(s->w, 61999);
    say(s, 10000);
    assert_string_equal(value_of(s, "$SYS/broker/uptime"), "61 seconds");
    assert_string_equal(value_of(s, "$SYS/broker/version"), "siotd version " SIOTD_VERSION);
}

static void all_is_retained_for_who_comes_later(void **state)
{
    struct scene *s = *state;
    say(s, 10000);
    size_t said = s->dashboard->count;
    client_connect(s->w, s->c, "late");
    client_subscribe(s->w, s->c, "$SYS/#", 0);
    world_work(s->w);
    assert_int_equal(s->c->count, said);
    for (size_t i = 0; i < said; i++)
        assert_true(s->c->got[i].retain);
    client_forget(s->c);
    client_subscribe(s->w, s->c, "#", 0); /* nothing of it [MQTT-4.7.2-1] */
    client_subscribe(s->w, s->c, "+/broker/version", 0);
    world_work(s->w);
    assert_int_equal(s->c->count, 0);
}

static void totals_say_what_is(void **state)
{
    struct scene *s = *state;
    client_connect_persistent(s->w, s->c, "c");
    client_subscribe(s->w, s->c, "t", 1);
    client_subscribe(s->w, s->c, "$share/g/u", 1);
    client_vanish(s->w, s->c);
    client_publish(s->w, s->dashboard, "t", "12345", 1, false);
    client_publish(s->w, s->dashboard, "r", "123", 0, true);
    client_publish(s->w, s->dashboard, "u", "x", 0, false); /* nobody there: dropped */
    say(s, 10000);
    static const struct {
        const char *name, *value;
    } rows[] = {
        {"clients/total", "2"},
        {"clients/connected", "1"},
        {"clients/disconnected", "1"},
        {"clients/maximum", "2"},
        {"subscriptions/count", "3"}, /* the shared one, too */
        {"shared_subscriptions/count", "1"},
        {"queued/messages/count", "1"},
        {"queued/messages/bytes", "6"},
        {"publish/messages/received", "3"},
        {"publish/bytes/received", "9"},
        {"publish/messages/dropped", "1"},
        {"publish/messages/dropped/offline", "1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char topic[96];
        snprintf(topic, sizeof topic, "$SYS/broker/%s", rows[i].name);
        if (strcmp(value_of(s, topic), rows[i].value) != 0)
            fail_msg("%s is %s", topic, value_of(s, topic));
    }
}

static double load(const struct scene *s, const char *span)
{
    char topic[96];
    snprintf(topic, sizeof topic, "$SYS/broker/load/messages/received/%s", span);
    return strtod(value_of(s, topic), NULL);
}

static void load_averages_follow_the_rate(void **state)
{
    struct scene *s = *state;
    struct stats *stats = broker_stats(s->w->broker);
    /* Five messages a second: 300 a minute. */
    for (int i = 0; i < 6; i++) {
        stats->messages_received += 50;
        say(s, 10000);
    }
    /* After one span, 1 - 1/e of the way. */
    assert_true(load(s, "1min") > 189 && load(s, "1min") < 190);
    assert_true(load(s, "1min") > load(s, "5min") && load(s, "5min") > load(s, "15min"));
    for (int i = 0; i < 1000; i++) {
        stats->messages_received += 50;
        say(s, 10000);
    }
    assert_true(load(s, "1min") > 299.9 && load(s, "1min") < 300.1);
    assert_true(load(s, "15min") > 299 && load(s, "15min") < 300.1);
    for (int i = 0; i < 6; i++)
        say(s, 10000);
    assert_true(load(s, "1min") > 110 && load(s, "1min") < 111);
    for (int i = 0; i < 1000; i++)
        say(s, 10000);
    assert_string_equal(value_of(s, "$SYS/broker/load/messages/received/15min"), "0.00");
}

static void without_an_interval_there_is_no_load(void **state)
{
    struct scene *s = *state;
    say(s, 0);
    assert_null(value_of(s, "$SYS/broker/load/messages/received/1min"));
}

/* ---- client events ---- */

/* A reader of JSON that knows objects of strings and whole numbers. Returns the end, or NULL. */
static const char *read_string(const char *at)
{
    if (*at++ != '"')
        return NULL;
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < 0x20)
            return NULL;
        if (*at != '\\')
            continue;
        at++;
        if (*at == 'u') {
            for (int i = 0; i < 4; i++)
                if (!isxdigit((unsigned char)*++at))
                    return NULL;
        } else if (!*at || !strchr("\"\\/bfnrt", *at)) {
            return NULL;
        }
    }
    return at + 1;
}

static bool is_flat_json(const char *at)
{
    if (*at++ != '{')
        return false;
    for (;;) {
        at = read_string(at);
        if (!at || *at++ != ':')
            return false;
        if (*at == '"') {
            at = read_string(at);
        } else {
            const char *digits = at;
            while (isdigit((unsigned char)*at))
                at++;
            at = at == digits ? NULL : at;
        }
        if (!at)
            return false;
        if (*at == '}')
            return at[1] == 0;
        if (*at++ != ',')
            return false;
    }
}

static void connecting_and_leaving_are_told_as_json(void **state)
{
    struct scene *s = *state;
    client_connect(s->w, s->c, "sensor-7");
    client_forget(s->dashboard);
    broker_client_event(s->w->broker, s->c->session, true, SLICE("192.0.2.7:50112"), "");
    broker_client_event(s->w->broker, s->c->session, false, SLICE("192.0.2.7:50112"),
                        "keep-alive \"expired\"\n");
    assert_int_equal(s->dashboard->count, 2);
    assert_string_equal(s->dashboard->got[0].topic, "$SYS/clients/sensor-7/connected");
    assert_string_equal(s->dashboard->got[1].topic, "$SYS/clients/sensor-7/disconnected");
    assert_non_null(strstr(s->dashboard->got[0].payload, "\"clientid\":\"sensor-7\""));
    assert_null(strstr(s->dashboard->got[0].payload, "\"reason\""));
    assert_false(s->dashboard->got[0].retain);
    client_connect(s->w, s->c, "late");
    client_subscribe(s->w, s->c, "$SYS/clients/#", 0);
    world_work(s->w);
    assert_int_equal(s->c->count, 0); /* an event is not retained */
}

static void no_client_id_bends_the_topic_or_the_json(void **state)
{
    struct scene *s = *state;
    static const struct {
        const char *id, *level;
    } rows[] = {
        {"a/b", "a%2Fb"},
        {"+", "%2B"},
        {"#", "%23"},
        {"100%", "100%25"},
        {"a\tb\n", "a%09b%0A"},
        {"\x7f", "%7F"},
        {"\"quoted\\\"", "\"quoted\\\""},
        {"$SYS", "$SYS"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"{\"clientid\":", "{\"clientid\":"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "$SYS/clients/%s/connected", rows[i].level);
        client_connect(s->w, s->c, rows[i].id);
        client_forget(s->dashboard);
        broker_client_event(s->w->broker, s->c->session, true, SLICE("unix"), "");
        assert_int_equal(s->dashboard->count, 1);
        assert_string_equal(s->dashboard->got[0].topic, expected);
        if (!is_flat_json(s->dashboard->got[0].payload))
            fail_msg("no JSON: %s", s->dashboard->got[0].payload);
        client_leave(s->w, s->c);
    }
}

static void an_id_too_long_for_a_topic_has_no_event(void **state)
{
    struct scene *s = *state;
    static char id[30001];
    memset(id, '+', 30000);
    client_connect(s->w, s->c, id);
    client_forget(s->dashboard);
    broker_client_event(s->w->broker, s->c->session, true, SLICE("unix"), "");
    assert_int_equal(s->dashboard->count, 0); /* its level would have 90,000 bytes */
    client_leave(s->w, s->c);
}

static void the_reader_of_json_can_say_no(void **state)
{
    (void)state;
    assert_true(is_flat_json("{\"a\":\"b\\u00e4\\n\",\"c\":12}"));
    assert_false(is_flat_json("{\"a\":\"b\n\"}"));
    assert_false(is_flat_json("{\"a\":\"b\"c\"}"));
    assert_false(is_flat_json("{\"a\":\"b\",}"));
    assert_false(is_flat_json("{\"a\":}"));
    assert_false(is_flat_json("{\"a\":\"\\x\"}"));
    assert_false(is_flat_json("{\"a\":1}}"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_names_are_those_that_dashboards_know),
        T(every_value_but_two_is_a_number),
        T(others_may_add_values_of_their_own),
        T(version_and_uptime_are_texts),
        T(all_is_retained_for_who_comes_later),
        T(totals_say_what_is),
        T(load_averages_follow_the_rate),
        T(without_an_interval_there_is_no_load),
        T(connecting_and_leaving_are_told_as_json),
        T(no_client_id_bends_the_topic_or_the_json),
        T(an_id_too_long_for_a_topic_has_no_event),
        T(the_reader_of_json_can_say_no),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
