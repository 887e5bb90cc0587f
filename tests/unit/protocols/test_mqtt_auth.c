/* test_mqtt_auth: CONNECT with and without proof; the password itself is verified elsewhere. */
#include "mqtt_stage.h"

#include <stdio.h>
#include <stdlib.h>

#define RECORD "$6$c2FsdA==$aGFzaA=="

#define V5(flags, rest) "10 [ s'MQTT' 05 " flags " 003c 00 s'c' " rest " ]"
#define V4(flags, rest) "10 [ s'MQTT' 04 " flags " 003c s'c' " rest " ]"

static void no_mistake(void *to, unsigned line, unsigned column, const char *why)
{
    (void)to;
    fail_msg("%u:%u: %s", line, column, why);
}

static void give_users(struct stage *s, const char *users, bool bind_client_id)
{
    struct access *access = access_new();
    access->governs = true;
    access->bind_client_id = bind_client_id;
    access->users = users_read(slice_of_str(users), NULL, no_mistake, NULL);
    assert_int_equal(
        acl_read_mosquitto(access->acl, "acl", SLICE("user ann\ntopic a\n"), no_mistake, NULL), 0);
    assert_true(acl_seal(access->acl));
    broker_set_access(s->world.broker, access);
    access_unref(access);
}

static void a_right_password_lets_in_and_what_follows_waits(void **state)
{
    struct stage *s = *state;
    give_users(s, "ann:" RECORD "\n", false);
    struct peer *peer = stage_any(s, V5("c2", "s'ann' s'pw'") " 32 [ s'a' 0001 00 78 ]");
    assert_true(peer->proving);
    assert_string_equal(peer->user, "ann");
    assert_string_equal(peer->password, "pw");
    hears_nothing(peer);
    is_open(peer);
    peer_judge(peer, true);
    is_open(peer);
    assert_int_equal(broker_stats(s->world.broker)->clients_connected, 1);
    assert_int_equal(broker_stats(s->world.broker)->publish_received, 1);
    assert_int_equal(broker_stats(s->world.broker)->messages_received, 2);
    assert_false(world_logged(&s->world, "pw"));
}

static void a_wrong_password_is_refused_in_both_versions(void **state)
{
    struct stage *s = *state;
    give_users(s, "ann:" RECORD "\n", false);
    struct peer *five = stage_any(s, V5("c2", "s'ann' s'pw'"));
    peer_judge(five, false);
    assert_true(five->closed);
    struct peer *four = stage_any(s, V4("c2", "s'ann' s'pw'"));
    peer_judge(four, false);
    hears(four, "20 02 00 04");
    is_closed(four);
    assert_int_equal(broker_stats(s->world.broker)->sessions, 0);
    assert_int_equal(broker_stats(s->world.broker)->connects_refused, 2);
}

static void half_a_credential_is_refused_without_looking(void **state) /* vuln-25 */
{
    struct stage *s = *state;
    give_users(s, "ann:" RECORD "\n", false);
    static const char *const connects[] = {V4("82", "s'ann'"), V4("82", "s''"),
                                           V4("c2", "s'' s'pw'")};
    for (size_t i = 0; i < 3; i++) {
        struct peer *peer = stage_any(s, connects[i]);
        assert_false(peer->proving);
        assert_int_equal(peer->proofs_failed, 1);
        hears(peer, "20 02 00 04");
        is_closed(peer);
    }
    struct peer *five = stage_any(s, V5("42", "s'pw'"));
    assert_int_equal(five->proofs_failed, 1);
    assert_true(five->closed);
}

static void who_cannot_be_looked_at_now_is_told_to_come_back(void **state)
{
    struct stage *s = *state;
    give_users(s, "ann:" RECORD "\n", false);
    struct peer *peer = peer_arrive(&s->world);
    peer->busy = true;
    says(peer, V4("c2", "s'ann' s'pw'"));
    hears(peer, "20 02 00 03");
    is_closed(peer);
}

static void a_record_that_changed_meanwhile_does_not_count(void **state)
{
    struct stage *s = *state;
    give_users(s, "ann:" RECORD "\n", false);
    struct peer *peer = stage_any(s, V4("c2", "s'ann' s'pw'"));
    struct identity *identity = identity_of_user(SLICE("ann"), "$6$c2FsdA==$b2xk");
    peer->proving = false;
    s->world.protocol->proven(peer, peer->state, identity);
    identity_unref(identity);
    peer_say(peer, SLICE_EMPTY);
    hears(peer, "20 02 00 05");
    is_closed(peer);
}

static void a_client_id_may_be_bound_to_the_name(void **state)
{
    struct stage *s = *state;
    give_users(s, "ann:" RECORD "\n", true);
    struct peer *other = stage_any(s, V4("c2", "s'ann' s'pw'"));
    peer_judge(other, true);
    hears(other, "20 02 00 05");
    is_closed(other);
    struct peer *own = stage_any(s, "10 [ s'MQTT' 04 c2 003c s'ann' s'ann' s'pw' ]");
    peer_judge(own, true);
    hears(own, "20 02 00 00");
    struct peer *none = stage_any(s, "10 [ s'MQTT' 04 c2 003c s'' s'ann' s'pw' ]");
    peer_judge(none, true);
    hears(none, "20 02 00 00");
    assert_true(own->closed); /* it is the same client */
}

static void what_the_transport_has_proven_needs_no_password(void **state)
{
    struct stage *s = *state;
    struct identity *identity = identity_new(SLICE("device"), false);
    give_users(s, "ann:" RECORD "\n", false);
    s->world.listener.anonymous = false;
    struct peer *peer = peer_arrive(&s->world);
    peer->identity = identity;
    says(peer, V4("02", ""));
    hears(peer, "20 02 00 00");
    assert_true(world_logged(&s->world, "connected: MQTT 3.1.1, user \"device\", "));
    struct peer *nobody = stage_any(s, V4("02", ""));
    hears(nobody, "20 02 00 05");
    is_closed(nobody);
    peer_drop(peer);
    identity_unref(identity);
}

static void who_goes_while_being_proven_leaves_nothing(void **state)
{
    struct stage *s = *state;
    give_users(s, "ann:" RECORD "\n", false);
    struct peer *peer = stage_any(s, V4("c2", "s'ann' s'pw'"));
    peer_vanish(peer);
    assert_true(peer->closed);
    assert_int_equal(broker_stats(s->world.broker)->sessions, 0);
}

static void a_will_needs_leave_when_it_is_left(void **state)
{
    struct stage *s = *state;
    give_users(s, "ann:" RECORD "\n", false);
    struct peer *peer = stage_any(s, V4("c6", "s'b' s'gone' s'ann' s'pw'"));
    peer_judge(peer, true);
    hears(peer, "20 02 00 05");
    is_closed(peer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_right_password_lets_in_and_what_follows_waits),
        TEST(a_wrong_password_is_refused_in_both_versions),
        TEST(half_a_credential_is_refused_without_looking),
        TEST(who_cannot_be_looked_at_now_is_told_to_come_back),
        TEST(a_record_that_changed_meanwhile_does_not_count),
        TEST(a_client_id_may_be_bound_to_the_name),
        TEST(what_the_transport_has_proven_needs_no_password),
        TEST(who_goes_while_being_proven_leaves_nothing),
        TEST(a_will_needs_leave_when_it_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
