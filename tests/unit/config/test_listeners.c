/* Tests config/listeners.c, through config_parse. */
#include "tests/unit/config/expect.h"
#include "tests/unit/config/sample_schema.h"

static struct report report;

static int set_up(void **state)
{
    (void)state;
    report_init(&report, "f");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    report_clear(&report);
    return 0;
}

static void refused(const char *text, const char *lines)
{
    assert_null(config_parse("f", slice_of_str(text), &sample_schema, &report));
    expect_report(&report, lines);
    report_clear(&report);
}

static void accepted(const char *text)
{
    struct config *config = config_parse("f", slice_of_str(text), &sample_schema, &report);
    expect_report(&report, "");
    assert_non_null(config);
    config_free(config);
}

#define GOOD "listeners: [{name: a, protocol: mqtt, transport: tcp, bind: \"127.0.0.1:1\"}"

static void there_must_be_one(void **state)
{
    (void)state;
    refused("sys_interval: 5s\n", "f:1:1: listeners: is missing: without one nobody can connect\n");
    refused("listeners:\n", "f:1:1: listeners: has 0 entries, must have from 1 to 1000\n");
    refused("listeners: []\n", "f:1:1: listeners: has 0 entries, must have from 1 to 1000\n");
    refused("listeners: {a: 1}\n",
            "f:1:12: listeners: must be a list, one entry for each listener\n");
    refused("listeners: [5]\n", "f:1:13: listeners: an entry must be a map, not a value\n");
    refused("listener: []\n", "f:1:1: listener: unknown key; did you mean listeners?\n");
    accepted(GOOD "]\n");
}

static void names_and_addresses_are_unique(void **state)
{
    (void)state;
    refused("listeners:\n"
            "  - {name: a, protocol: mqtt, transport: tcp, bind: \"127.0.0.1:1\"}\n"
            "  - {name: a, protocol: mqtt, transport: tcp, bind: \"127.0.0.1:2\"}\n",
            "f:3:12: name: a is also the name of the listener in line 2\n");
    refused("listeners:\n"
            "  - {name: a, protocol: mqtt, transport: tcp, bind: \"127.0.0.1:1\"}\n"
            "  - {name: b, protocol: mqtt, transport: tcp, bind: \"*:1\"}\n",
            "f:3:53: bind: *:1 is taken by the listener in line 2, which has 127.0.0.1:1\n");
    accepted("listeners:\n"
             "  - {name: a, protocol: mqtt, transport: tcp, bind: \"127.0.0.1:1\"}\n"
             "  - {name: b, protocol: mqtt, transport: tcp, bind: \"127.0.0.2:1\"}\n"
             "  - {name: c, protocol: raw, transport: udp, bind: \"127.0.0.1:1\"}\n"
             "  - {name: d, protocol: mqtt, transport: tcp, bind: \"unix:/a\"}\n");
    refused(GOOD ", {name: \"b c\", protocol: mqtt, transport: tcp, bind: \"*:2\"}]",
            "f:1:84: name: only letters, digits, _ - and . may be in a name\n");
}

static void protocol_and_transport_must_fit(void **state)
{
    (void)state;
    refused("listeners: [{name: a, protocol: raw, transport: tcp, bind: \"*:1\"}]",
            "f:1:49: transport: raw needs datagrams, and tcp carries a stream\n");
    refused("listeners: [{name: a, protocol: mqtt, transport: udp, bind: \"*:1\"}]",
            "f:1:50: transport: mqtt needs a stream, and udp carries datagrams\n");
    accepted("listeners: [{name: a, protocol: both, transport: udp, bind: \"*:1\"}]");
    refused(
        "listeners: [{name: a, protocol: mqt, transport: tcpp, bind: \"*:1\"}]",
        "f:1:33: protocol: there is no protocol mqt; known: mqtt, raw, both; did you mean mqtt?\n"
        "f:1:49: transport: there is no transport tcpp; known: tcp, udp; did you mean tcp?\n");
    refused("listeners: [{name: a, protocol: coap, transport: dtls, bind: \"*:1\"}]",
            "f:1:33: protocol: there is no protocol coap; known: mqtt, raw, both\n"
            "f:1:50: transport: there is no transport dtls; known: tcp, udp\n");
    refused("listeners: [{name: a, protocol: raw, transport: udp, bind: \"unix:/a\"}]",
            "f:1:60: bind: udp has no unix sockets\n");
}

static void a_mountpoint_is_a_prefix_of_topics(void **state)
{
    (void)state;
    static const char deep[] =
        "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/"
        "27/28/29/30/31/32/";
    static const char *const wrong[] = {"a/+/", "a/#", "#", deep};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 GOOD ", {name: b, protocol: mqtt, transport: tcp, bind: "
                      "\"*:2\", mountpoint: \"%s\"}]",
                 wrong[i]);
        refused(text,
                "f:1:144: mountpoint: is no prefix of a topic: no + or #, at most 32 levels\n");
    }
    refused(
        "listeners: [{name: a, protocol: mqtt, transport: tcp, bind: \"*:1\", mountpoint: $SYS/}]",
        "f:1:80: mountpoint: must not begin with $, which is the broker's own\n");
    accepted(
        "listeners: [{name: a, protocol: mqtt, transport: tcp, bind: \"*:1\", mountpoint: a/b/}]");
    accepted(
        "listeners: [{name: a, protocol: mqtt, transport: tcp, bind: \"*:1\", mountpoint: \"\"}]");
}

static void a_topic_for_payloads_is_one_once_the_device_is_in_it(void **state)
{
    (void)state;
#define RAW_TOPIC(topic)                                                                           \
    "listeners: [{name: a, protocol: raw, transport: udp, bind: \"*:1\", topic: \"" topic "\"}]"
    accepted(RAW_TOPIC("all"));
    accepted(RAW_TOPIC("sensors/${device}"));
    accepted(RAW_TOPIC("${device}/up"));
    refused(RAW_TOPIC("a/+"), "f:1:74: topic: is no topic: no + or #\n");
    refused(RAW_TOPIC("$SYS/x"),
            "f:1:74: topic: must not begin with $, which is the broker's own\n");
    refused(RAW_TOPIC("a/${user}"), "f:1:74: topic: only ${device} can be put in\n");
    refused("listeners: [{name: a, protocol: mqtt, transport: tcp, bind: \"*:1\", topic: a}]",
            "f:1:75: topic: is for the protocol raw only\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(there_must_be_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_and_addresses_are_unique, set_up, tear_down),
        cmocka_unit_test_setup_teardown(protocol_and_transport_must_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_mountpoint_is_a_prefix_of_topics, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_topic_for_payloads_is_one_once_the_device_is_in_it,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
