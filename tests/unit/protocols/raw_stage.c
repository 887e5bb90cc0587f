/* raw_stage: see raw_stage.h. */
#include "raw_stage.h"

#include "base/hash.h"
#include "protocols/raw/answered.h"

#include <stdio.h>

struct air air;
struct raw_options options;
struct identity *sensor;

int raw_setup(void **state)
{
    (void)state;
    hash_start(1);
    options = (struct raw_options){
        .idle_timeout = 600000,
        .session_expiry = 86400000,
        .retry = 2000,
        .tries = 3,
        .window = 4,
        .duplicate_window = 30000,
        .remembered = 64,
    };
    raw_recent_clear();
    air_init(&air, &raw_protocol, &options);
    sensor = identity_new(SLICE("sensor-7"), false);
    return 0;
}

int raw_teardown(void **state)
{
    (void)state;
    air_clear(&air);
    identity_unref(sensor);
    raw_recent_clear();
    return 0;
}

void raw_says(struct device *device, const char *text)
{
    device_say(device, slice_of_str(text));
}

void raw_hears(struct device *device, const char *wanted)
{
    struct slice got = device_hear(device);
    if (!wanted)
        assert_null(got.at);
    else if (got.len != strlen(wanted) || memcmp(got.at, wanted, got.len) != 0)
        fail_msg("got \"%.*s\" instead of \"%s\"", SLICE_FMT(got), wanted);
}

void raw_tells(struct device *device, const char *text, const char *wanted)
{
    raw_says(device, text);
    raw_hears(device, wanted);
}

struct raw_line raw_heard(struct device *device)
{
    struct raw_line line;
    struct slice got = device_hear(device);
    assert_non_null(got.at);
    assert_int_equal(raw_decode(got, &line), RAW_GOOD);
    assert_int_equal(line.verb, RAW_MSG);
    return line;
}

void raw_equal(struct slice a, const char *text)
{
    assert_int_equal(a.len, strlen(text));
    assert_memory_equal(a.len ? (const void *)a.at : "", text, a.len);
}

void raw_acknowledges(struct device *device, uint64_t id)
{
    char text[40];
    snprintf(text, sizeof text, "ACK %llu", (unsigned long long)id);
    raw_says(device, text);
}

struct device *raw_subscriber(const char *filter)
{
    char text[100];
    options.trust_sources = true;
    struct device *device = device_new(&air, NULL);
    snprintf(text, sizeof text, "SUB %s", filter);
    raw_tells(device, text, "OK");
    options.trust_sources = false;
    return device;
}

uint64_t raw_count_published(void)
{
    const struct stats *stats = broker_stats(air.broker);
    return stats->publish_received - stats->publish_refused;
}

static void no_mistake(void *to, unsigned line, unsigned column, const char *why)
{
    (void)to;
    fail_msg("%u:%u: %s", line, column, why);
}

void raw_govern(const char *rules)
{
    struct access *access = access_new();
    assert_non_null(access);
    access->governs = true;
    assert_int_equal(acl_read_mosquitto(access->acl, "acl", slice_of_str(rules), no_mistake, NULL),
                     0);
    assert_true(acl_seal(access->acl));
    broker_set_access(air.broker, access);
    access_unref(access);
}
