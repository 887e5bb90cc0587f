/* Tests protocols/coap/kept.c and relation.c: observations, over a restart of siotd. */
#include "air_store.h"
#include "coap_stage.h"
#include "protocols/coap/home.h"
#include "protocols/coap/relation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct night {
    struct stage stage;
    struct fake_store *store;
};

static int setup(void **state)
{
    struct night *night = calloc(1, sizeof *night);
    if (!night)
        return -1;
    stage_init(&night->stage);
    night->store = air_store_new(&night->stage.air);
    *state = night;
    return 0;
}

static int teardown(void **state)
{
    struct night *night = *state;
    stage_clear(&night->stage);
    fake_store_free(night->store);
    free(night);
    return 0;
}

static void settle(struct night *night)
{
    air_settle(&night->stage.air, night->store);
}

static void crash(struct night *night, uint64_t ms)
{
    settle(night);
    air_crash(&night->stage.air, night->store, ms, coap_home_clear);
}

static const struct ask wish = {
    .code = COAP_GET, .observe = REGISTER, .token = "t", .path = "ps/a"};

/* A device that observes as `wish` says, or another path with another token. */
static struct device *observer(struct night *night, struct ask request, uint32_t *number)
{
    struct device *device = device_new(&night->stage.air, NULL);
    device->verified = true;
    say(device, &request);
    settle(night);
    struct reply r = hear(device);
    assert_code(r, "2.05");
    assert_true(r.has_observe);
    if (number)
        *number = r.observe;
    return device;
}

/* The next one is confirmable, and says that. */
static struct reply asked(struct device *device, const char *payload)
{
    struct reply r = hear(device);
    assert_code(r, "2.05");
    assert_int_equal(r.type, COAP_CON);
    assert_payload(r, payload);
    return r;
}

static void nothing_more(struct device *device)
{
    assert_false(hear(device).any);
}

/* Relations on disk. */
static size_t relations(struct night *night)
{
    size_t position = 0, count = 0;
    const struct fake_row *row;
    settle(night);
    while ((row = map_next(&night->store->rows, &position)) != NULL)
        count += row->kind == ROW_NOTE &&
                 slice_starts_with(slice_of(row->bytes + row->id_len, row->key_len),
                                   SLICE("coap observe"));
    return count;
}

static void an_answer_with_observe_waits_until_the_relation_is_on_disk(void **state)
{
    struct night *night = *state;
    struct device *device = device_new(&night->stage.air, NULL);
    device->verified = true;
    for (int i = 0; i < 2; i++) {
        struct ask request = wish;
        request.non = i;
        request.token = i ? "u" : "t";
        say(device, &request);
        nothing_more(device);
        settle(night);
        assert_true(hear(device).has_observe);
    }
}

static void an_observer_goes_on_and_is_asked_whether_he_is_there(void **state)
{
    struct night *night = *state;
    struct device *device = observer(night, wish, NULL);
    stage_publish(&night->stage, "a", "1", 0, true, NULL);
    hear(device);
    crash(night, 5000);
    nothing_more(device);
    air_wait(&night->stage.air, 1100);
    struct reply r = asked(device, "1");
    assert_true(slice_equal(r.token, SLICE("t")));
    say_empty(device, COAP_ACK, r.id);
    air_wait(&night->stage.air, 10000);
    nothing_more(device);
    stage_publish(&night->stage, "a", "2", 0, true, NULL);
    assert_int_equal(hear(device).type, COAP_NON);
    assert_int_equal(relations(night), 1);
}

static void what_comes_first_asks(void **state)
{
    struct night *night = *state;
    night->stage.options.notify = COAP_NOTIFY_NON;
    struct device *device = observer(night, wish, NULL);
    crash(night, 5000);
    stage_publish(&night->stage, "a", "1", 0, false, NULL);
    struct reply r = asked(device, "1");
    say_empty(device, COAP_ACK, r.id);
    stage_publish(&night->stage, "a", "2", 0, false, NULL);
    assert_int_equal(hear(device).type, COAP_NON);
    air_wait(&night->stage.air, 10000);
    nothing_more(device);
}

static void who_has_gone_is_let_go(void **state)
{
    struct night *night = *state;
    struct device *device = observer(night, wish, NULL), *other = observer(night, wish, NULL);
    crash(night, 5000);
    assert_int_equal(relations(night), 2);
    air_wait(&night->stage.air, 1100);
    struct reply r = asked(device, "");
    say_empty(device, COAP_RST, r.id);
    assert_int_equal(relations(night), 1);
    air_wait(&night->stage.air, 100000);
    for (int i = 0; i < 5; i++)
        asked(other, "");
    nothing_more(other);
    assert_int_equal(relations(night), 0);
    assert_int_equal(broker_stats(night->stage.air.broker)->subscriptions, 0);
    crash(night, 1000);
    assert_int_equal(night->stage.air.peers, 0);
}

static void numbers_rise_over_a_crash_however_fast_they_rose_and_wherever_the_clock_is(void **state)
{
    struct night *night = *state;
    uint32_t last;
    struct device *device = observer(night, wish, &last);
    for (int i = 0; i < 100000; i++) { /* 27 minutes ahead of the clock */
        stage_publish(&night->stage, "a", "1", 0, false, NULL);
        struct reply r = hear(device);
        assert_int_equal(r.observe, (last + 1) & 0xffffff);
        last = r.observe;
        if (i % 1000 == 0)
            settle(night);
    }
    for (int i = 0; i < 5; i++) {
        crash(night, 100);
        night->stage.air.wall_ms -= 3600 * 1000;
        stage_publish(&night->stage, "a", "2", 0, false, NULL);
        struct reply r = asked(device, "2");
        uint32_t ahead = (r.observe - last) & 0xffffff;
        assert_in_range(ahead, 1, (1 << 23) - 1);
        last = r.observe;
        say_empty(device, COAP_ACK, r.id);
    }
}

static void several_of_one_endpoint_come_one_after_the_other(void **state)
{
    struct night *night = *state;
    struct device *device = observer(night, wish, NULL);
    struct ask request = wish;
    request.token = "u";
    request.path = "ps/b";
    say(device, &request);
    settle(night);
    assert_true(hear(device).has_observe);
    crash(night, 1000);
    assert_int_equal(night->stage.air.peers, 1);
    assert_int_equal(broker_stats(night->stage.air.broker)->subscriptions, 2);
    air_wait(&night->stage.air, 1100);
    struct reply r = asked(device, "");
    nothing_more(device);
    say_empty(device, COAP_ACK, r.id);
    air_wait(&night->stage.air, 100);
    r = asked(device, "");
    say_empty(device, COAP_ACK, r.id);
    air_wait(&night->stage.air, 10000);
    nothing_more(device);
}

static void many_are_asked_by_and_by(void **state)
{
    enum { MANY = 200 };
    struct night *night = *state;
    struct device *devices[MANY];
    unsigned early = 0, heard = 0;
    for (int i = 0; i < MANY; i++)
        devices[i] = observer(night, wish, NULL);
    crash(night, 1000);
    air_wait(&night->stage.air, 1200);
    for (int i = 0; i < MANY; i++)
        early += hear(devices[i]).any;
    assert_in_range(early, 50, 150);
    air_wait(&night->stage.air, 300);
    for (int i = 0; i < MANY; i++)
        heard += hear(devices[i]).any;
    assert_int_equal(early + heard, MANY);
}

static void an_end_of_siotd_in_good_order_is_no_end(void **state)
{
    struct night *night = *state;
    struct device *device = observer(night, wish, NULL);
    air_restart(&night->stage.air, night->store, 1000, coap_home_clear);
    air_wait(&night->stage.air, 1100);
    asked(device, "");
    assert_int_equal(relations(night), 1);
}

static void every_end_of_an_observation_takes_its_note_along(void **state)
{
    struct night *night = *state;
    struct ask request = wish;
    struct device *device = observer(night, wish, NULL);
    request.observe = DEREGISTER;
    say(device, &request);
    nothing_more(device); /* that it has ended is promised as well */
    settle(night);
    assert_code(hear(device), "4.04");
    assert_int_equal(relations(night), 0);

    device = observer(night, wish, NULL);
    stage_publish(&night->stage, "a", "1", 0, false, NULL);
    say_empty(device, COAP_RST, hear(device).id);
    assert_int_equal(relations(night), 0);

    device = observer(night, wish, NULL);
    device_lose(device, "idle");
    assert_int_equal(relations(night), 0);

    (void)observer(night, wish, NULL);
    stage_rules(&night->stage, "topic readwrite b\n");
    air_wait(&night->stage.air, 100);
    assert_int_equal(relations(night), 0);
}

static void registering_again_writes_nothing_new(void **state)
{
    struct night *night = *state;
    struct device *device = observer(night, wish, NULL);
    fake_store_forget(night->store);
    for (int i = 0; i < 50; i++) {
        say(device, &wish);
        settle(night);
        assert_true(hear(device).has_observe);
    }
    assert_int_equal(night->store->counts[ROW_NOTE], 0);
}

static void a_format_learned_later_is_kept(void **state)
{
    struct night *night = *state;
    struct device *device = observer(night, wish, NULL);
    stage_publish(&night->stage, "a", "1", 0, false, "text/plain");
    hear(device);
    crash(night, 1000);
    stage_publish(&night->stage, "a", "{}", 0, false, "application/json");
    assert_code(hear(device), "4.06");
}

static void an_accepted_format_is_kept_before_there_is_a_value(void **state)
{
    struct night *night = *state;
    struct ask request = wish;
    request.accept = 1 + 50;
    struct device *device = observer(night, request, NULL);
    crash(night, 1000);
    stage_publish(&night->stage, "a", "1", 0, false, "text/plain");
    assert_code(hear(device), "4.06");
}

static void who_may_not_any_more_is_told_so(void **state)
{
    struct night *night = *state;
    struct device *device = observer(night, wish, NULL);
    settle(night);
    night->stage.air.listener.anonymous = false;
    crash(night, 1000);
    assert_code(hear(device), "4.03");
    assert_int_equal(relations(night), 0);
}

static void of_another_listener_or_mountpoint_nothing_goes_on(void **state)
{
    static char other[] = "other", mount[] = "m/";
    struct night *night = *state;
    char *name = night->stage.air.listener.name;
    (void)observer(night, wish, NULL);
    settle(night);
    night->stage.air.listener.name = other;
    crash(night, 1000);
    assert_int_equal(relations(night), 0);
    night->stage.air.listener.name = name;
    (void)observer(night, wish, NULL);
    settle(night);
    night->stage.air.listener.mountpoint = mount;
    crash(night, 1000);
    assert_int_equal(relations(night), 0);
    assert_int_equal(broker_stats(night->stage.air.broker)->subscriptions, 0);
}

static void on_dtls_nothing_is_kept(void **state)
{
    struct night *night = *state;
    night->stage.air.private = true;
    (void)observer(night, wish, NULL);
    assert_int_equal(relations(night), 0);
}

static void while_the_store_is_full_one_is_taken_and_not_kept(void **state)
{
    struct night *night = *state;
    (void)observer(night, wish, NULL); /* so that numbers are noted */
    night->store->store.full = true;
    struct device *device = device_new(&night->stage.air, NULL);
    device->verified = true;
    say(device, &wish);
    assert_true(hear(device).has_observe);
    night->store->store.full = false;
    assert_int_equal(relations(night), 1);
}

static void a_relation_is_read_as_it_was_written_and_never_when_it_was_cut(void **state)
{
    uint8_t bytes[256], *key = bytes, *content = bytes + 128;
    struct coap_relation r = {.listener = SLICE("udp"),
                              .endpoint = SLICE("123456"),
                              .token = SLICE("tk"),
                              .place = SLICE("somewhere"),
                              .mountpoint = SLICE("m/"),
                              .name = SLICE("a/b"),
                              .format = 50,
                              .szx = 3},
                         back;
    struct writer k = writer_of(key, 128), c = writer_of(content, 128);
    (void)state;
    coap_relation_write_key(&r, &k);
    coap_relation_write(&r, &c);
    assert_false(k.overflow || c.overflow);
    assert_int_equal(writer_len(&k), coap_relation_key_room(&r));
    assert_int_equal(writer_len(&c), coap_relation_room(&r));
    struct slice whole_key = slice_of(key, writer_len(&k)),
                 whole = slice_of(content, writer_len(&c));
    assert_true(coap_relation_read(whole_key, whole, &back));
    assert_true(slice_equal(back.listener, r.listener) && slice_equal(back.token, r.token) &&
                slice_equal(back.endpoint, r.endpoint) && slice_equal(back.place, r.place) &&
                slice_equal(back.mountpoint, r.mountpoint) && slice_equal(back.name, r.name));
    assert_true(back.format == 50 && back.szx == 3);
    for (size_t cut = 0; cut <= whole.len - r.name.len; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, content, cut);
        assert_false(coap_relation_read(whole_key, slice_of(exact, cut), &back));
        free(exact);
    }
    for (size_t cut = 0; cut < whole_key.len - r.token.len; cut++)
        assert_false(coap_relation_read(slice_of(key, cut), whole, &back));
    content[0] = 2; /* of a later siotd */
    assert_false(coap_relation_read(whole_key, whole, &back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(an_answer_with_observe_waits_until_the_relation_is_on_disk),
        TEST(an_observer_goes_on_and_is_asked_whether_he_is_there),
        TEST(what_comes_first_asks),
        TEST(who_has_gone_is_let_go),
        TEST(numbers_rise_over_a_crash_however_fast_they_rose_and_wherever_the_clock_is),
        TEST(several_of_one_endpoint_come_one_after_the_other),
        TEST(many_are_asked_by_and_by),
        TEST(an_end_of_siotd_in_good_order_is_no_end),
        TEST(every_end_of_an_observation_takes_its_note_along),
        TEST(registering_again_writes_nothing_new),
        TEST(a_format_learned_later_is_kept),
        TEST(an_accepted_format_is_kept_before_there_is_a_value),
        TEST(who_may_not_any_more_is_told_so),
        TEST(of_another_listener_or_mountpoint_nothing_goes_on),
        TEST(on_dtls_nothing_is_kept),
        TEST(while_the_store_is_full_one_is_taken_and_not_kept),
        cmocka_unit_test(a_relation_is_read_as_it_was_written_and_never_when_it_was_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
