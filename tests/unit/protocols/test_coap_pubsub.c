/* Tests protocols/coap/collection.c, topic.c, discovery.c, topics.c: topics that are created and
 * configured, draft-ietf-core-coap-pubsub-21. */
#include "coap_stage.h"

#include "protocols/coap/home.h"
#include "protocols/coap/properties.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int setup(void **state)
{
    struct stage *stage = malloc(sizeof *stage);
    if (!stage)
        return -1;
    stage_init(stage);
    *state = stage;
    return 0;
}

static int teardown(void **state)
{
    stage_clear(*state);
    free(*state);
    return 0;
}

static struct device *proven(struct stage *stage)
{
    struct device *device = device_new(&stage->air, NULL);
    device->verified = true;
    return device;
}

/* What a topic is created with at least. */
static struct coap_properties plain(const char *name)
{
    return (struct coap_properties){.given = 1 << COAP_TOPIC_NAME | 1 << COAP_RESOURCE_TYPE,
                                    .name = slice_of_str(name),
                                    .resource_type = SLICE("core.ps.data")};
}

static struct reply send_properties(struct device *device, uint8_t code, const char *path,
                                    const struct coap_properties *p)
{
    uint8_t bytes[2000];
    struct writer w = writer_of(bytes, sizeof bytes);
    coap_write_properties(&w, p, UINT16_MAX);
    return ask(device, (struct ask){.code = code,
                                    .path = path,
                                    .format = COAP_PUBSUB_CBOR + 1,
                                    .payload = slice_of(bytes, writer_len(&w))});
}

static struct reply create(struct device *device, const struct coap_properties *p)
{
    return send_properties(device, COAP_POST, "ps", p);
}

static struct coap_properties read_back(struct reply r)
{
    struct coap_properties p;
    assert_int_equal(r.format, COAP_PUBSUB_CBOR);
    assert_true(coap_read_properties(r.payload, false, &p));
    return p;
}

/* Creates one; the paths of its configuration and of its value. */
static void create_plain(struct device *device, const char *name, char config[64], char value[64])
{
    struct coap_properties p = plain(name);
    struct reply r = create(device, &p);
    assert_code(r, "2.01");
    snprintf(config, 64, "%.60s", r.location + 1);
    p = read_back(r);
    snprintf(value, 64, "%.*s", (int)p.place.len - 1, (const char *)p.place.at + 1);
}

static void a_topic_is_created_where_no_topic_can_be(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    struct coap_properties p = plain("living-room/sensor");
    struct reply r = create(device, &p);
    assert_code(r, "2.01");
    assert_int_equal(strlen(r.location), strlen("/ps/+0123456789"));
    assert_memory_equal(r.location, "/ps/+", 5); /* no level of a topic holds a '+' */
    p = read_back(r);
    assert_true(slice_equal(p.name, SLICE("living-room/sensor")));
    assert_true(slice_equal(p.resource_type, SLICE("core.ps.data")));
    assert_true(slice_starts_with(p.place, SLICE("/ps/data/+")));
    assert_int_equal(stage->ear.count, 0);
}

static void a_repeated_creation_creates_one(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    uint8_t bytes[200];
    char first[64];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct coap_properties p = plain("a");
    coap_write_properties(&w, &p, UINT16_MAX);
    struct ask post = {.code = COAP_POST,
                       .id = 9,
                       .path = "ps",
                       .format = COAP_PUBSUB_CBOR + 1,
                       .payload = slice_of(bytes, writer_len(&w))};
    snprintf(first, sizeof first, "%.60s", ask(device, post).location);
    struct reply r = ask(device, post);
    assert_code(r, "2.01");
    assert_string_equal(r.location, first);
    read_back(r);
    post.id = 10; /* not repeated but asked anew */
    assert_code(ask(device, post), "4.00");
    assert_int_equal(coap_home_of(stage->air.broker)->topics.by_id.count, 1);
}

static void a_topic_lives_as_the_draft_says(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    char config[64], value[64];
    create_plain(device, "room", config, value);
    /* half created */
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = value}), "4.04");
    assert_code(ask(device, (struct ask){.code = COAP_GET, .observe = REGISTER, .path = value}),
                "4.04");
    assert_code(ask(device, (struct ask){.code = COAP_DELETE, .path = value}), "4.04");
    assert_code(ask(device, (struct ask){.code = COAP_PUT, .path = value, .payload = SLICE("1")}),
                "2.01");
    /* fully created */
    assert_code(ask(device, (struct ask){.code = COAP_PUT, .path = value, .payload = SLICE("2")}),
                "2.04");
    assert_string_equal(stage->ear.topic, "room");
    assert_payload(ask(device, (struct ask){.code = COAP_GET, .path = value}), "2");
    assert_payload(ask(device, (struct ask){.code = COAP_GET, .path = "ps/room"}), "2");
    struct reply r = ask(
        device, (struct ask){.code = COAP_GET, .observe = REGISTER, .token = "t", .path = value});
    assert_true(r.has_observe);
    stage_publish(stage, "room", "3", 0, true, NULL); /* from MQTT */
    assert_payload(hear(device), "3");
    /* half created again */
    assert_code(ask(proven(stage), (struct ask){.code = COAP_DELETE, .path = value}), "2.02");
    r = hear(device);
    assert_code(r, "4.04");
    say_empty(device, COAP_ACK, r.id);
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = value}), "4.04");
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = config}), "2.05");
    assert_code(ask(device, (struct ask){.code = COAP_PUT, .path = value, .payload = SLICE("4")}),
                "2.01");
    r = ask(device,
            (struct ask){.code = COAP_GET, .observe = REGISTER, .token = "u", .path = value});
    assert_true(r.has_observe);
    /* deleted */
    assert_code(ask(proven(stage), (struct ask){.code = COAP_DELETE, .path = config}), "2.02");
    r = hear(device);
    assert_code(r, "4.04");
    assert_false(r.has_observe);
    say_empty(device, COAP_ACK, r.id);
    assert_false(hear(device).any);
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = config}), "4.04");
    assert_code(ask(device, (struct ask){.code = COAP_PUT, .path = value, .payload = SLICE("5")}),
                "4.04");
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = "ps/room"}), "4.04");
    assert_int_equal(broker_stats(stage->air.broker)->retained_messages, 0);
}

static void what_cannot_be_created_is_refused(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    struct coap_properties p = plain("a");
    char name[600];
    memset(name, 'n', sizeof name);
    p.given = 1 << COAP_TOPIC_NAME;
    assert_code(create(device, &p), "4.00");
    p = plain("a");
    p.resource_type = SLICE("core.ps");
    assert_code(create(device, &p), "4.00");
    static const char *const names[] = {"", "a/+", "#", "a\x01"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        p = plain(names[i]);
        assert_code(create(device, &p), "4.00");
    }
    p.name = slice_of(name, 513);
    assert_code(create(device, &p), "4.00");
    p.name = slice_of(name, 512);
    assert_code(create(device, &p), "2.01");
    p = plain("$SYS/a");
    assert_code(create(device, &p), "4.03");
    p = plain("b");
    p.given |= 1 << COAP_TOPIC_DATA;
    p.place = SLICE("coap://elsewhere/b");
    assert_code(create(device, &p), "4.00");
    p = plain("b");
    p.given |= 1 << COAP_EXPIRATION;
    p.expires_s = 1700000000; /* in the past */
    assert_code(create(device, &p), "4.00");
    p = plain("b");
    p.given |= 1 << COAP_INITIALIZE;
    p.initialize = SLICE("x");
    assert_code(create(device, &p), "4.00"); /* without topic-content-format */
    p = plain("b");
    p.given |= 1 << COAP_TOPIC_TYPE;
    p.topic_type = slice_of(name, 65);
    assert_code(create(device, &p), "4.00");
    assert_code(
        ask(device,
            (struct ask){.code = COAP_POST, .path = "ps", .format = 51, .payload = SLICE("{}")}),
        "4.15");
    assert_code(ask(device, (struct ask){.code = COAP_POST, .path = "ps", .payload = SLICE("{}")}),
                "4.00");
    assert_code(ask(device, (struct ask){.code = COAP_PUT, .path = "ps", .payload = SLICE("x")}),
                "4.05");
    stage->options.topics = 1;
    p = plain("b");
    struct reply r = create(device, &p);
    assert_code(r, "4.29");
    assert_true(r.has_max_age);
    assert_int_equal(stage->ear.count, 0);
}

static void an_initial_value_is_there_at_once(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    struct coap_properties p = plain("init");
    p.given |= 1 << COAP_INITIALIZE | 1 << COAP_TOPIC_FORMAT;
    p.initialize = SLICE("\x80");
    p.format = 60;
    assert_code(create(device, &p), "2.01");
    assert_int_equal(stage->ear.count, 1);
    struct reply r =
        ask(device,
            (struct ask){.code = COAP_GET, .observe = REGISTER, .token = "t", .path = "ps/init"});
    assert_code(r, "2.05");
    assert_true(r.has_observe);
    assert_payload(r, "\x80");
    assert_int_equal(r.format, 60);
}

static void the_format_of_a_topic_is_kept_on_both_roads(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    struct coap_properties p = plain("typed");
    p.given |= 1 << COAP_TOPIC_FORMAT;
    p.format = 50;
    assert_code(create(device, &p), "2.01");
    struct ask put = {.code = COAP_PUT, .path = "ps/typed", .payload = SLICE("{}")};
    assert_code(ask(device, put), "4.15");
    put.format = 61;
    assert_code(ask(device, put), "4.15");
    put.format = 51;
    assert_code(ask(device, put), "2.01");
    assert_int_equal(stage->ear.count, 1);
}

static void a_configuration_is_read_and_changed(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    char config[64], value[64];
    create_plain(device, "c", config, value);
    struct coap_properties p = {.given = 1 << COAP_MAX_SUBSCRIBERS | 1 << COAP_TOPIC_TYPE |
                                         1 << COAP_OBSERVER_CHECK | 1 << COAP_TOPIC_FORMAT,
                                .max_subscribers = 7,
                                .topic_type = SLICE("temperature"),
                                .observer_check_s = 60,
                                .format = 112};
    struct reply r = send_properties(device, COAP_IPATCH, config, &p);
    assert_code(r, "2.04");
    p = read_back(r);
    assert_int_equal(p.max_subscribers, 7);
    assert_int_equal(p.observer_check_s, 60);
    assert_int_equal(p.format, 112);
    assert_true(slice_equal(p.topic_type, SLICE("temperature")));
    assert_true(slice_equal(p.name, SLICE("c")));
    /* a patch leaves the rest alone, */
    p = (struct coap_properties){.given = 1 << COAP_MAX_SUBSCRIBERS, .max_subscribers = 8};
    p = read_back(send_properties(device, COAP_IPATCH, config, &p));
    assert_int_equal(p.max_subscribers, 8);
    assert_int_equal(p.observer_check_s, 60);
    /* and a POST does not (section 2.5.3) */
    p = (struct coap_properties){
        .given = 1 << COAP_TOPIC_FORMAT | 1 << COAP_TOPIC_NAME, .format = 50, .name = SLICE("c")};
    p = read_back(send_properties(device, COAP_POST, config, &p));
    assert_int_equal(p.format, 50);
    assert_false(coap_has(&p, COAP_MAX_SUBSCRIBERS));
    assert_false(coap_has(&p, COAP_TOPIC_TYPE));
    p = read_back(ask(device, (struct ask){.code = COAP_GET, .path = config}));
    assert_int_equal(p.format, 50);
    /* what may not change does not */
    p = (struct coap_properties){.given = 1 << COAP_TOPIC_NAME, .name = SLICE("d")};
    assert_code(send_properties(device, COAP_IPATCH, config, &p), "4.00");
    p = (struct coap_properties){.given = 1 << COAP_TOPIC_DATA, .place = SLICE("/ps/d")};
    assert_code(send_properties(device, COAP_POST, config, &p), "4.00");
    p = (struct coap_properties){.given = 1 << COAP_EXPIRATION, .expires_s = 1};
    assert_code(send_properties(device, COAP_IPATCH, config, &p), "4.00");
    assert_code(ask(device, (struct ask){.code = COAP_PUT, .path = config, .payload = SLICE("x")}),
                "4.05");
}

static void part_of_a_configuration_is_fetched(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    char config[64], value[64];
    create_plain(device, "f", config, value);
    struct reply r = ask(device, (struct ask){.code = COAP_FETCH,
                                              .path = config,
                                              .format = 61,
                                              .payload = SLICE("\x82\x01\x03")});
    assert_code(r, "2.05");
    struct coap_properties p = read_back(r);
    assert_int_equal(p.given, 1 << COAP_TOPIC_DATA); /* there is no format to tell */
    assert_code(ask(device, (struct ask){.code = COAP_FETCH,
                                         .path = config,
                                         .format = 61,
                                         .payload = SLICE("\xa0")}),
                "4.00");
    assert_code(ask(device, (struct ask){.code = COAP_FETCH,
                                         .path = config,
                                         .format = COAP_PUBSUB_CBOR + 1,
                                         .payload = SLICE("\x80")}),
                "4.15");
}

static void only_so_many_subscribers_are_let_in(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage), *observers[3];
    struct coap_properties p = plain("few");
    char config[64];
    p.given |= 1 << COAP_MAX_SUBSCRIBERS;
    p.max_subscribers = 2;
    snprintf(config, sizeof config, "%.60s", create(device, &p).location + 1);
    stage_publish(stage, "few", "v", 0, true, NULL);
    for (int i = 0; i < 3; i++) {
        observers[i] = proven(stage);
        struct reply r = ask(
            observers[i],
            (struct ask){.code = COAP_GET, .observe = REGISTER, .token = "t", .path = "ps/few"});
        assert_payload(r, "v"); /* RFC 7641 section 4.1 */
        assert_int_equal(r.has_observe, i < 2);
    }
    p = (struct coap_properties){.given = 1 << COAP_MAX_SUBSCRIBERS, .max_subscribers = 1};
    assert_code(send_properties(device, COAP_IPATCH, config, &p), "2.04");
    assert_false(hear(observers[0]).any);
    struct reply r = hear(observers[1]);
    assert_code(r, "4.04"); /* section 2.5.3 */
    stage_publish(stage, "few", "w", 0, true, NULL);
    assert_payload(hear(observers[0]), "w");
    assert_false(hear(observers[1]).any);
    /* Who leaves makes room. */
    ask(observers[0],
        (struct ask){.code = COAP_GET, .observe = DEREGISTER, .token = "t", .path = "ps/few"});
    r = ask(observers[2],
            (struct ask){.code = COAP_GET, .observe = REGISTER, .token = "t", .path = "ps/few"});
    assert_true(r.has_observe);
}

static void observers_are_checked_as_often_as_the_topic_says(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    struct coap_properties p = plain("often");
    p.given |= 1 << COAP_OBSERVER_CHECK;
    p.observer_check_s = 30;
    create(device, &p);
    stage_publish(stage, "often", "v", 0, true, NULL);
    ask(device,
        (struct ask){.code = COAP_GET, .observe = REGISTER, .token = "t", .path = "ps/often"});
    air_wait(&stage->air, 29 * 1000);
    assert_false(hear(device).any);
    air_wait(&stage->air, 2 * 1000);
    struct reply r = hear(device);
    assert_int_equal(r.type, COAP_CON);
    assert_payload(r, "v");
}

static void a_topic_goes_when_its_time_is_over(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    struct coap_properties p = plain("brief");
    char config[64];
    p.given |= 1 << COAP_EXPIRATION;
    p.expires_s = (uint64_t)stage->air.wall_ms / 1000 + 100;
    snprintf(config, sizeof config, "%.60s", create(device, &p).location + 1);
    ask(device, (struct ask){.code = COAP_PUT, .path = "ps/brief", .payload = SLICE("v")});
    assert_int_equal(stage->ear.expires_ms, (int64_t)p.expires_s * 1000);
    ask(device,
        (struct ask){.code = COAP_GET, .observe = REGISTER, .token = "t", .path = "ps/brief"});
    air_wait(&stage->air, 99 * 1000);
    assert_false(hear(device).any);
    air_wait(&stage->air, 2 * 1000); /* without anybody asking */
    assert_code(hear(device), "4.04");
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = config}), "4.04");
    assert_int_equal(broker_stats(stage->air.broker)->retained_messages, 0);
}

static void lists_hold_what_one_may_read(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    char config[64], value[64], wanted[200], other[64];
    assert_int_equal(ask(device, (struct ask){.code = COAP_GET, .path = "ps"}).payload.len, 0);
    create_plain(device, "a", config, value);
    create_plain(device, "b", other, wanted);
    struct reply r = ask(device, (struct ask){.code = COAP_GET, .path = "ps"});
    assert_code(r, "2.05");
    assert_int_equal(r.format, COAP_LINK_FORMAT);
    assert_int_equal(r.payload.len, 2 * (strlen(config) + 3) + 1);
    stage_rules(stage, "topic readwrite a\ntopic write b\n");
    snprintf(wanted, sizeof wanted, "</%s>", config);
    assert_payload(ask(device, (struct ask){.code = COAP_GET, .path = "ps"}), wanted);
    assert_payload(
        ask(device, (struct ask){.code = COAP_GET, .path = "ps", .query = "rt=core.ps.conf"}),
        wanted);
    snprintf(wanted, sizeof wanted, "</%s>", value);
    assert_payload(
        ask(device, (struct ask){.code = COAP_GET, .path = "ps", .query = "rt=core.ps.data"}),
        wanted);
    assert_int_equal(
        ask(device, (struct ask){.code = COAP_GET, .path = "ps", .query = "rt=x"}).payload.len, 0);
    snprintf(wanted, sizeof wanted, "</%s>;rt=\"core.ps.conf\"", config);
    assert_payload(
        ask(device,
            (struct ask){.code = COAP_GET, .path = ".well-known/core", .query = "rt=core.ps.conf"}),
        wanted);
    struct coap_properties p = {.given = 1 << COAP_TOPIC_NAME, .name = SLICE("a")};
    snprintf(wanted, sizeof wanted, "</%s>", config);
    assert_payload(send_properties(device, COAP_FETCH, "ps", &p), wanted);
    p.name = SLICE("c");
    assert_int_equal(send_properties(device, COAP_FETCH, "ps", &p).payload.len, 0);
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = other}), "2.05"); /* may write */
    stage_rules(stage, "topic readwrite z\n");
    for (uint8_t code = COAP_GET; code <= COAP_IPATCH; code++)
        assert_code(
            ask(device, (struct ask){.code = code, .path = config, .payload = SLICE("\xa0")}),
            "4.03");
    p = plain("new");
    assert_code(create(device, &p), "4.03");
}

static void the_broker_is_found(void **state)
{
    static const char all[] = "</ps>;rt=\"core.ps core.ps.coll\";ct=40";
    static const struct {
        const char *query;
        bool found;
    } rows[] = {{NULL, true},          {"rt=core.ps", true}, {"rt=core.ps.coll", true},
                {"rt=core.*", true},   {"rt=*", true},       {"href=/ps", true},
                {"href=/p*", true},    {"ct=40", true},      {"rt=core", false},
                {"rt=core.rd", false}, {"href=/x", false},   {"if=sensor", false}};
    struct stage *stage = *state;
    struct device *device = proven(stage);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reply r =
            ask(device,
                (struct ask){.code = COAP_GET, .path = ".well-known/core", .query = rows[i].query});
        assert_code(r, "2.05");
        assert_int_equal(r.format, COAP_LINK_FORMAT);
        assert_payload(r, rows[i].found ? all : "");
    }
    assert_code(ask(device, (struct ask){.code = COAP_POST, .path = ".well-known/core"}), "4.05");
}

/* Past failure 48: however much there is to list, it is cut into blocks. */
static void a_long_list_comes_in_blocks(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    char name[16], got[20000];
    size_t len = 0;
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "t%d", i);
        struct coap_properties p = plain(name);
        assert_code(create(device, &p), "2.01");
    }
    for (unsigned number = 0, more = 1; more; number++) {
        struct coap_block block = {number, false, 6};
        struct reply r =
            ask(device, (struct ask){.code = COAP_GET, .path = "ps", .block2 = &block});
        assert_code(r, "2.05");
        assert_true(len + r.payload.len <= sizeof got);
        memcpy(got + len, r.payload.at, r.payload.len);
        len += r.payload.len;
        more = r.block2.more;
    }
    assert_int_equal(len, 500 * strlen("</ps/+0123456789>,") - 1);
}

static void topics_come_back_from_what_the_core_has_noted(void **state)
{
    struct stage *stage = *state;
    struct device *device = proven(stage);
    char config[64], value[64], other[64];
    create_plain(device, "kept", config, value);
    struct coap_properties p = {.given = 1 << COAP_MAX_SUBSCRIBERS | 1 << COAP_EXPIRATION,
                                .max_subscribers = 3,
                                .expires_s = (uint64_t)stage->air.wall_ms / 1000 + 1000};
    send_properties(device, COAP_IPATCH, config, &p);
    create_plain(device, "gone", value, other);
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = "ps"}), "2.05");
    coap_home_clear(); /* as if the process had ended */
    p = read_back(ask(device, (struct ask){.code = COAP_GET, .path = config}));
    assert_true(slice_equal(p.name, SLICE("kept")));
    assert_int_equal(p.max_subscribers, 3);
    ask(device, (struct ask){.code = COAP_DELETE, .path = config});
    coap_home_clear();
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = config}), "4.04");
    assert_int_equal(coap_home_of(stage->air.broker)->topics.by_id.count, 1);
    /* What somebody else has written there is passed over. */
    broker_note(stage->air.broker, "coap", SLICE("+00000000zz"), SLICE("\xa0"));
    broker_note(stage->air.broker, "coap", SLICE("+0000000001"), SLICE("\xff"));
    coap_home_clear();
    assert_int_equal(coap_home_of(stage->air.broker)->topics.by_id.count, 1);
    air_wait(&stage->air, 1001 * 1000);
}

static void a_mountpoint_has_topics_of_its_own(void **state)
{
    static char mountpoint[] = "site/", none[] = "";
    struct stage *stage = *state;
    struct device *device = proven(stage);
    char config[64], value[64];
    stage->air.listener.mountpoint = mountpoint;
    create_plain(device, "t", config, value);
    ask(device, (struct ask){.code = COAP_PUT, .path = value, .payload = SLICE("v")});
    assert_string_equal(stage->ear.topic, "site/t");
    stage->air.listener.mountpoint = none;
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = config}), "4.04");
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = value}), "4.04");
    assert_int_equal(ask(device, (struct ask){.code = COAP_GET, .path = "ps"}).payload.len, 0);
    stage->air.listener.mountpoint = mountpoint;
    assert_code(ask(device, (struct ask){.code = COAP_GET, .path = config}), "2.05");
    assert_code(ask(device, (struct ask){.code = COAP_DELETE, .path = config}), "2.02");
    assert_string_equal(stage->ear.topic, "site/t");
    assert_int_equal(stage->ear.payload_len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_topic_is_created_where_no_topic_can_be),
        TEST(a_repeated_creation_creates_one),
        TEST(a_topic_lives_as_the_draft_says),
        TEST(what_cannot_be_created_is_refused),
        TEST(an_initial_value_is_there_at_once),
        TEST(the_format_of_a_topic_is_kept_on_both_roads),
        TEST(a_configuration_is_read_and_changed),
        TEST(part_of_a_configuration_is_fetched),
        TEST(only_so_many_subscribers_are_let_in),
        TEST(observers_are_checked_as_often_as_the_topic_says),
        TEST(a_topic_goes_when_its_time_is_over),
        TEST(lists_hold_what_one_may_read),
        TEST(the_broker_is_found),
        TEST(a_long_list_comes_in_blocks),
        TEST(topics_come_back_from_what_the_core_has_noted),
        TEST(a_mountpoint_has_topics_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
