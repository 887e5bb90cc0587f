/* Those who publish and read without a session: broker_publish_as and broker_latest. */
#include "fake_client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct scene {
    struct world *w;
    struct fake_client *listener;
    struct principal *ann, *bob;
};

static struct principal *principal(const char *user, size_t mountpoint_len)
{
    struct identity *identity = identity_new(slice_of_str(user), false);
    struct principal *who = principal_new(identity, slice_of_str(user), mountpoint_len);
    identity_unref(identity);
    return who;
}

static int start(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    s->w = world_new();
    s->listener = client_new();
    s->ann = principal("ann", 0);
    s->bob = principal("bob", 0);
    client_connect_persistent(s->w, s->listener, "listener");
    *state = s;
    return 0;
}

static int stop(void **state)
{
    struct scene *s = *state;
    world_free(s->w);
    free(s->listener);
    principal_unref(s->ann);
    principal_unref(s->bob);
    free(s);
    return 0;
}

static void no_mistake(void *to, unsigned line, unsigned column, const char *why)
{
    (void)to;
    fail_msg("%u:%u: %s", line, column, why);
}

static void rule(const struct scene *s, const char *acl)
{
    struct access *access = access_new();
    access->governs = true;
    assert_int_equal(acl_read_mosquitto(access->acl, "acl", slice_of_str(acl), no_mistake, NULL),
                     0);
    assert_true(acl_seal(access->acl));
    broker_set_access(s->w->broker, access);
    access_unref(access);
}

static enum verdict publish(const struct scene *s, struct principal *who, const char *mountpoint,
                            const char *topic, const char *payload, bool retain)
{
    struct message m = {.topic = (const uint8_t *)topic,
                        .topic_len = (uint16_t)strlen(topic),
                        .payload = (const uint8_t *)payload,
                        .payload_len = (uint32_t)strlen(payload),
                        .qos = 1,
                        .retain = retain};
    enum verdict verdict = broker_publish_as(s->w->broker, who, mountpoint, &m);
    message_end(&m);
    return verdict;
}

static const char *latest(const struct scene *s, struct principal *who, const char *mountpoint,
                          const char *topic, enum verdict expected)
{
    static char text[64];
    struct message *m = NULL;
    assert_int_equal(broker_latest(s->w->broker, who, mountpoint, slice_of_str(topic), &m),
                     expected);
    if (!m)
        return NULL;
    memcpy(text, m->payload, m->payload_len);
    text[m->payload_len] = 0;
    return text;
}

static void it_reaches_subscribers_and_is_counted(void **state)
{
    struct scene *s = *state;
    client_subscribe(s->w, s->listener, "x/#", 1);
    assert_int_equal(publish(s, s->ann, "", "x/1", "a", false), VERDICT_OK);
    assert_int_equal(publish(s, s->ann, "", "y", "b", false), VERDICT_NO_SUBSCRIBERS);
    assert_int_equal(s->listener->count, 1);
    assert_string_equal(s->listener->got[0].topic, "x/1");
    assert_int_equal(broker_stats(s->w->broker)->publish_received, 2);
}

static void rules_decide_about_it(void **state)
{
    struct scene *s = *state;
    rule(s, "user ann\ntopic write x\n");
    client_subscribe(s->w, s->listener, "x", 1);
    assert_int_equal(publish(s, s->bob, "", "x", "a", false), VERDICT_DENIED);
    assert_int_equal(publish(s, NULL, "", "x", "a", false), VERDICT_DENIED);
    assert_int_equal(publish(s, s->ann, "", "y", "a", false), VERDICT_DENIED);
    assert_int_equal(publish(s, s->ann, "", "x", "a", false), VERDICT_NO_SUBSCRIBERS);
    assert_int_equal(broker_stats(s->w->broker)->publish_refused, 2);
}

static void nobody_at_all_is_denied_without_rules_too(void **state)
{
    struct scene *s = *state;
    assert_int_equal(publish(s, NULL, "", "x", "a", true), VERDICT_DENIED);
    assert_int_equal(publish(s, s->ann, "", "$SYS/x", "a", true), VERDICT_DENIED);
    assert_int_equal(publish(s, s->ann, "", "x/#", "a", true), VERDICT_BAD_TOPIC);
}

static void what_is_retained_can_be_read(void **state)
{
    struct scene *s = *state;
    assert_null(latest(s, s->bob, "", "x", VERDICT_OK));
    publish(s, s->ann, "", "x", "1", true);
    assert_string_equal(latest(s, s->bob, "", "x", VERDICT_OK), "1");
    publish(s, s->ann, "", "x", "2", true);
    assert_string_equal(latest(s, s->bob, "", "x", VERDICT_OK), "2");
    publish(s, s->ann, "", "x", "", true);
    assert_null(latest(s, s->bob, "", "x", VERDICT_OK));
    assert_null(latest(s, s->bob, "", "x/+", VERDICT_BAD_TOPIC));
    assert_null(latest(s, s->bob, "", "", VERDICT_BAD_TOPIC));
}

static void a_mountpoint_stands_in_front_for_both(void **state)
{
    struct scene *s = *state;
    struct principal *who = principal("cid", 6);
    client_subscribe(s->w, s->listener, "#", 1);
    assert_int_equal(publish(s, who, "plant/", "x", "1", true), VERDICT_OK);
    assert_string_equal(s->listener->got[0].topic, "plant/x");
    assert_string_equal(latest(s, who, "plant/", "x", VERDICT_OK), "1");
    assert_string_equal(latest(s, s->ann, "", "plant/x", VERDICT_OK), "1");
    assert_null(latest(s, s->ann, "", "x", VERDICT_OK));
    /* Whose right to it is looked at without the mountpoint. */
    rule(s, "user cid\ntopic readwrite x\nuser ann\ntopic read plant/x\n");
    assert_string_equal(latest(s, s->ann, "", "plant/x", VERDICT_OK), "1");
    principal_unref(who);
}

static void a_reader_needs_leave_and_so_does_the_author_still(void **state)
{
    struct scene *s = *state;
    publish(s, s->ann, "", "x", "1", true);
    rule(s, "user ann\ntopic write x\nuser bob\ntopic read x\n");
    assert_string_equal(latest(s, s->bob, "", "x", VERDICT_OK), "1");
    assert_null(latest(s, s->ann, "", "x", VERDICT_DENIED));
    assert_null(latest(s, NULL, "", "x", VERDICT_DENIED));
    rule(s, "user bob\ntopic read x\n");
    assert_null(latest(s, s->bob, "", "x", VERDICT_OK));
}

static void an_expired_value_is_none(void **state)
{
    struct scene *s = *state;
    struct message m = {.topic = (const uint8_t *)"x",
                        .topic_len = 1,
                        .payload = (const uint8_t *)"1",
                        .payload_len = 1,
                        .retain = true,
                        .expires_ms = s->w->wall_ms + 100};
    broker_publish_as(s->w->broker, s->ann, "", &m);
    message_end(&m);
    assert_string_equal(latest(s, s->bob, "", "x", VERDICT_OK), "1");
    broker_turn(s->w->broker, s->w->mono_ms + 100, s->w->wall_ms + 100);
    assert_null(latest(s, s->bob, "", "x", VERDICT_OK));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_reaches_subscribers_and_is_counted),
        TEST(rules_decide_about_it),
        TEST(nobody_at_all_is_denied_without_rules_too),
        TEST(what_is_retained_can_be_read),
        TEST(a_mountpoint_stands_in_front_for_both),
        TEST(a_reader_needs_leave_and_so_does_the_author_still),
        TEST(an_expired_value_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
