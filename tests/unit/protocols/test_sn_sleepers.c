/* Tests protocols/mqtt_sn/sleepers.c and memory.c: who sleeps, over a restart of siotd. */
#include "air_store.h"
#include "protocols/mqtt_sn/packets.h"
#include "protocols/mqtt_sn/sleepers.h"
#include "sn_stage.h"

#include <stdlib.h>
#include <string.h>

struct night {
    struct sn_stage *stage;
    struct fake_store *store;
};

static int set_up(void **state)
{
    struct night *night = calloc(1, sizeof *night);
    void *stage;
    if (!night || sn_setup(&stage) != 0)
        return -1;
    night->stage = stage;
    night->stage->options.trust_sources = true;
    night->store = air_store_new(&night->stage->air);
    *state = night;
    return 0;
}

static int tear_down(void **state)
{
    struct night *night = *state;
    void *stage = night->stage;
    int result = sn_teardown(&stage);
    sn_sleepers_clear();
    fake_store_free(night->store);
    free(night);
    return result;
}

static void crash(struct night *night, uint64_t ms)
{
    air_settle(&night->stage->air, night->store);
    air_crash(&night->stage->air, night->store, ms, NULL);
}

/* Everything that siotd has said has left. */
static void settle(struct night *night)
{
    air_settle(&night->stage->air, night->store);
}

/* A client at its address that has subscribed to "down" and sleeps for 300 s, so 450 s at most. */
static struct device *sleeper(struct night *night, uint8_t flags, const struct identity *identity,
                              uint16_t *topic_id)
{
    struct device *device = device_new(&night->stage->air, identity);
    struct sn_packet packet;
    sn_connects(device, "one", flags);
    if (flags & SN_WILL) {
        sn_hears(device, M(SN_WILLTOPICREQ));
        sn_says(device, M(SN_WILLTOPIC, .flags = SN_RETAIN, STR("gone")));
        sn_hears(device, M(SN_WILLMSGREQ));
        sn_says(device, M(SN_WILLMSG, STR("x")));
    }
    settle(night);
    sn_hears(device, M(SN_CONNACK));
    sn_says(device, M(SN_SUBSCRIBE, .flags = QOS(1), .msg_id = 9, STR("down")));
    settle(night);
    packet = sn_next(device);
    assert_int_equal(packet.type, SN_SUBACK);
    *topic_id = packet.topic_id;
    sn_says(device, M(SN_DISCONNECT, .duration_s = 300));
    settle(night);
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    assert_int_equal(sn_of("one")->state, SN_ASLEEP);
    return device;
}

static void published(struct night *night, const char *payload)
{
    sn_published(night->stage, "down", payload, 1);
    settle(night);
}

/* It wakes, and gets exactly that. */
static void wakes(struct device *device, uint16_t topic_id, const char *payload)
{
    sn_says(device, M(SN_PINGREQ, STR("one")));
    struct sn_packet got = sn_next(device);
    assert_int_equal(got.type, SN_PUBLISH);
    assert_int_equal(got.topic_id, topic_id);
    assert_true(slice_equal(got.text, slice_of_str(payload)));
    sn_says(device, M(SN_PUBACK, .topic_id = topic_id, .msg_id = got.msg_id));
    sn_hears(device, M(SN_PINGRESP));
    assert_int_equal(sn_of("one")->state, SN_ASLEEP);
}

static uint64_t wills(const struct night *night)
{
    return broker_stats(night->stage->air.broker)->retained_messages;
}

/* ---- */

static void disconnect_is_answered_when_it_is_on_disk_that_it_sleeps(void **state)
{
    struct night *night = *state;
    struct device *device = device_new(&night->stage->air, NULL);
    sn_connects(device, "one", 0);
    settle(night);
    sn_hears(device, M(SN_CONNACK));
    sn_says(device, M(SN_DISCONNECT, .duration_s = 300));
    sn_hears_nothing(device);
    settle(night);
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
}

static void it_sleeps_on_where_it_was_and_is_sent_what_came_under_the_ids_it_knows(void **state)
{
    struct night *night = *state;
    uint16_t id;
    struct device *device = sleeper(night, 0, NULL, &id);
    published(night, "a");
    crash(night, 1000);
    night->stage->options.trust_sources = false; /* it has proven its address before */
    assert_int_equal(broker_stats(night->stage->air.broker)->clients_connected, 0);
    wakes(device, id, "a");
    assert_int_equal(broker_stats(night->stage->air.broker)->clients_connected, 1);
    assert_true(air_logged(&night->stage->air, "sleeps on, after a restart"));
    published(night, "b");
    sn_hears_nothing(device);
    crash(night, 1000);
    wakes(device, id, "b");
}

static void what_had_not_proven_its_address_still_has_to(void **state)
{
    struct night *night = *state;
    night->stage->options.trust_sources = false;
    struct device *device = device_new(&night->stage->air, NULL);
    sn_connects(device, "one", 0);
    settle(night);
    sn_says(device, M(SN_SUBSCRIBE, .flags = QOS(1), .msg_id = 9, STR("down")));
    sn_says(device, M(SN_DISCONNECT, .duration_s = 300));
    published(night, "a");
    crash(night, 1000);
    device->received = device->sent = 0; /* what it had paid for is forgotten */
    sn_says(device, M(SN_PINGREQ, STR("one")));
    air_wait(&night->stage->air, 60000);
    assert_true(device->sent <= 3 * device->received);
    struct sn_packet asked = sn_next(device); /* for a proof */
    assert_int_equal(asked.type, SN_REGISTER);
    sn_hears_nothing(device);
}

static void it_may_say_anything_that_a_sleeping_client_may(void **state)
{
    struct night *night = *state;
    uint16_t id;
    struct device *device = sleeper(night, 0, NULL, &id);
    crash(night, 1000);
    sn_says(device, M(SN_PINGREQ)); /* without an id: I am here, and sleep on */
    sn_hears(device, M(SN_PINGRESP));
    crash(night, 1000);
    sn_says(device, M(SN_DISCONNECT, .duration_s = 1000));
    settle(night);
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    crash(night, 1400000);
    sn_connects(device, "one", SN_WILL); /* flags mean nothing here */
    settle(night);
    sn_hears(device, M(SN_CONNACK));
    assert_int_equal(sn_of("one")->state, SN_ACTIVE);
    crash(night, 1000);
    sn_says(device, M(SN_PINGREQ, STR("one"))); /* it is active no more, and never slept again */
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
}

static void its_time_runs_by_the_wall_clock_and_then_its_will_is_said(void **state)
{
    struct night *night = *state;
    uint16_t id;
    struct device *device = sleeper(night, SN_WILL, NULL, &id);
    crash(night, 400000);
    air_wait(&night->stage->air, 49000);
    assert_int_equal(wills(night), 0);
    air_wait(&night->stage->air, 2000);
    assert_int_equal(wills(night), 1);
    sn_says(device, M(SN_PINGREQ, STR("one")));
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    assert_int_equal(broker_stats(night->stage->air.broker)->sessions, 1);
}

static void whoever_should_have_woken_meanwhile_is_lost_at_the_start(void **state)
{
    struct night *night = *state;
    uint16_t id;
    struct device *device = sleeper(night, SN_WILL, NULL, &id);
    crash(night, 460000);
    air_wait(&night->stage->air, 100);
    assert_int_equal(wills(night), 1);
    crash(night, 1000);
    sn_says(device, M(SN_PINGREQ, STR("one")));
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
}

static void once_back_it_is_lost_like_any_other(void **state)
{
    struct night *night = *state;
    uint16_t id;
    struct device *device = sleeper(night, SN_WILL, NULL, &id);
    crash(night, 400000);
    sn_says(device, M(SN_PINGREQ, STR("one")));
    sn_hears(device, M(SN_PINGRESP));
    air_wait(&night->stage->air, 449000);
    assert_int_equal(wills(night), 0);
    air_wait(&night->stage->air, 2000);
    assert_int_equal(wills(night), 1);
    assert_true(air_logged(&night->stage->air, "lost: has not woken in time"));
}

static void each_time_it_is_heard_its_time_begins_anew_on_disk_too(void **state)
{
    struct night *night = *state;
    uint16_t id;
    struct device *device = sleeper(night, 0, NULL, &id);
    air_wait(&night->stage->air, 400000);
    sn_says(device, M(SN_PINGREQ, STR("one")));
    sn_hears(device, M(SN_PINGRESP));
    published(night, "a");
    crash(night, 400000);
    wakes(device, id, "a");
}

static void being_heard_again_and_again_is_not_written_each_time(void **state)
{
    struct night *night = *state;
    uint16_t id;
    struct device *device = sleeper(night, 0, NULL, &id);
    fake_store_forget(night->store);
    for (int i = 0; i < 100; i++) {
        sn_says(device, M(SN_PINGREQ));
        sn_hears(device, M(SN_PINGRESP));
        air_wait(&night->stage->air, 100);
        settle(night);
    }
    assert_in_range(night->store->counts[ROW_SESSION], 5, 15);
}

static void a_clock_that_was_set_back_makes_no_night_longer(void **state)
{
    struct night *night = *state;
    uint16_t id;
    struct device *device = sleeper(night, SN_WILL, NULL, &id);
    settle(night);
    night->stage->air.wall_ms -= INT64_C(10) * 24 * 3600 * 1000;
    crash(night, 0);
    air_wait(&night->stage->air, 449000);
    assert_int_equal(wills(night), 0);
    air_wait(&night->stage->air, 2000);
    assert_int_equal(wills(night), 1);
    sn_says(device, M(SN_PINGREQ, STR("one"))); /* too late */
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
}

static void a_stop_in_good_order_is_no_end_either(void **state)
{
    struct night *night = *state;
    uint16_t id;
    struct device *device = sleeper(night, SN_WILL, NULL, &id);
    published(night, "a");
    air_restart(&night->stage->air, night->store, 1000, NULL);
    wakes(device, id, "a");
    assert_int_equal(wills(night), 0);
    air_restart(&night->stage->air, night->store, 460000, NULL);
    air_wait(&night->stage->air, 100);
    assert_int_equal(wills(night), 1);
}

static void a_stop_while_it_is_awake_takes_nothing_from_it(void **state)
{
    struct night *night = *state;
    uint16_t id;
    struct device *device = sleeper(night, SN_CLEAN, NULL, &id);
    published(night, "a");
    sn_says(device, M(SN_PINGREQ, STR("one")));
    assert_int_equal(sn_next(device).type, SN_PUBLISH);
    assert_int_equal(sn_of("one")->state, SN_AWAKE);
    air_restart(&night->stage->air, night->store, 1000, NULL);
    sn_hears_nothing(device);
    wakes(device, id, "a");
}

static void a_clean_session_is_kept_while_its_client_sleeps_and_ends_with_that(void **state)
{
    struct night *night = *state;
    uint16_t id;
    struct device *device = sleeper(night, SN_CLEAN, NULL, &id);
    published(night, "a");
    crash(night, 1000);
    wakes(device, id, "a");
    crash(night, 1000);
    sn_connects(device, "one", 0);
    settle(night);
    sn_hears(device, M(SN_CONNACK));
    crash(night, 1000); /* active: it ends with its connection */
    settle(night);
    assert_int_equal(broker_stats(night->stage->air.broker)->sessions, 0);
    device_forget(device);
    device = sleeper(night, SN_CLEAN, NULL, &id);
    crash(night, 1000);
    air_wait(&night->stage->air, 452000);
    settle(night);
    assert_int_equal(broker_stats(night->stage->air.broker)->sessions, 0);
    assert_int_equal(fake_store_rows(night->store, ROW_SESSION), 0);
}

/* ---- whose it is ---- */

static void a_stranger_wakes_nobody(void **state)
{
    struct night *night = *state;
    uint16_t id;
    struct device *device = sleeper(night, 0, NULL, &id);
    published(night, "a");
    crash(night, 1000);
    struct device *stranger = device_new(&night->stage->air, NULL);
    sn_says(stranger, M(SN_PINGREQ, STR("one")));
    sn_hears(stranger, M(SN_DISCONNECT, .empty = true));
    sn_says(stranger, M(SN_PINGREQ));
    sn_hears(stranger, M(SN_DISCONNECT, .empty = true));
    assert_null(stranger->peer);
    assert_null(sn_of("one"));
    sn_says(device, M(SN_PINGREQ, STR("two")));
    sn_hears_nothing(device);
    wakes(device, id, "a");
}

static void only_the_option_lets_it_wake_at_another_address(void **state)
{
    struct night *night = *state;
    uint16_t id;
    struct device *device = sleeper(night, 0, NULL, &id);
    published(night, "a");
    crash(night, 1000);
    struct device *moved = device_new(&night->stage->air, NULL);
    night->stage->options.rebind = true;
    wakes(moved, id, "a");
    sn_says(device, M(SN_PINGREQ)); /* nobody is here any more */
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
}

static void on_dtls_only_its_identity_wakes_it(void **state)
{
    struct night *night = *state;
    uint16_t id;
    struct device *device = sleeper(night, 0, night->stage->sensor, &id);
    published(night, "a");
    crash(night, 1000);
    struct identity *other = identity_new(SLICE("other"), false);
    night->stage->options.rebind = true;
    struct device *thief = device_new(&night->stage->air, other);
    sn_says(thief, M(SN_PINGREQ, STR("one")));
    sn_hears(thief, M(SN_DISCONNECT, .empty = true));
    struct device *nobody = device_new(&night->stage->air, NULL);
    sn_says(nobody, M(SN_PINGREQ, STR("one")));
    sn_hears(nobody, M(SN_DISCONNECT, .empty = true));
    sn_says(device, M(SN_PINGREQ)); /* an association that siotd does not know proves nothing */
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    struct device *again = device_new(&night->stage->air, night->stage->sensor);
    wakes(again, id, "a");
    device_lose(thief, "done");
    thief->identity = NULL;
    identity_unref(other);
}

static void a_listener_that_lets_nobody_in_any_more_wakes_nobody(void **state)
{
    struct night *night = *state;
    uint16_t id;
    struct device *device = sleeper(night, 0, NULL, &id);
    settle(night);
    night->stage->air.listener.anonymous = false;
    crash(night, 1000);
    sn_says(device, M(SN_PINGREQ, STR("one")));
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
}

/* ---- what is noted ---- */

static void without_a_store_nothing_is_noted(void **state)
{
    struct sn_stage *stage = *state;
    struct device *device = sn_client(stage, "one", 0, true);
    sn_says(device, M(SN_DISCONNECT, .duration_s = 300));
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    assert_int_equal(session_noted(sn_of("one")->session).len, 0);
}

static void while_the_store_is_full_a_clean_client_sleeps_as_without(void **state)
{
    struct night *night = *state;
    struct device *device = device_new(&night->stage->air, NULL);
    sn_connects(device, "one", SN_CLEAN);
    settle(night);
    sn_hears(device, M(SN_CONNACK));
    night->store->store.full = true;
    sn_says(device, M(SN_DISCONNECT, .duration_s = 300));
    sn_hears(device, M(SN_DISCONNECT, .empty = true));
    assert_int_equal(session_noted(sn_of("one")->session).len, 0);
}

static void a_note_that_was_cut_anywhere_is_survived(void **state)
{
    struct night *night = *state;
    uint16_t id;
    (void)sleeper(night, SN_WILL, NULL, &id);
    struct session *session = sn_of("one")->session;
    struct slice whole = session_noted(session);
    size_t len = whole.len;
    uint8_t *copy = malloc(len);
    assert_non_null(copy);
    memcpy(copy, whole.at, len);
    for (size_t cut = 0; cut < len; cut++) {
        struct sn_memory memory;
        assert_int_equal(session_note(session, slice_of(copy, cut)), 0);
        sn_recall(session, &memory);
        sn_sleepers_recall(night->stage->air.broker, NULL);
    }
    free(copy);
}

#define T(name)     cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define PLAIN(name) cmocka_unit_test_setup_teardown(name, sn_setup, sn_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(disconnect_is_answered_when_it_is_on_disk_that_it_sleeps),
        T(it_sleeps_on_where_it_was_and_is_sent_what_came_under_the_ids_it_knows),
        T(what_had_not_proven_its_address_still_has_to),
        T(it_may_say_anything_that_a_sleeping_client_may),
        T(its_time_runs_by_the_wall_clock_and_then_its_will_is_said),
        T(whoever_should_have_woken_meanwhile_is_lost_at_the_start),
        T(once_back_it_is_lost_like_any_other),
        T(each_time_it_is_heard_its_time_begins_anew_on_disk_too),
        T(being_heard_again_and_again_is_not_written_each_time),
        T(a_clock_that_was_set_back_makes_no_night_longer),
        T(a_stop_in_good_order_is_no_end_either),
        T(a_stop_while_it_is_awake_takes_nothing_from_it),
        T(a_clean_session_is_kept_while_its_client_sleeps_and_ends_with_that),
        T(a_stranger_wakes_nobody),
        T(only_the_option_lets_it_wake_at_another_address),
        T(on_dtls_only_its_identity_wakes_it),
        T(a_listener_that_lets_nobody_in_any_more_wakes_nobody),
        PLAIN(without_a_store_nothing_is_noted),
        T(while_the_store_is_full_a_clean_client_sleeps_as_without),
        T(a_note_that_was_cut_anywhere_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
