/* Tests daemon/entry.c. */
#include "daemon/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect(bool anonymous, const char *address, const char *expected)
{
    char name[] = "a", protocol[] = "mqtt", transport[] = "tcp", to[ENTRY_SIZE];
    struct listener_settings listener = {
        .name = name, .protocol = protocol, .transport = transport, .anonymous = anonymous};
    const struct access nobody = {.refs = 1};
    assert_string_equal(entry_text(&listener, &nobody, address, to), expected);
}

static void the_words_say_who_may_come_in(void **state)
{
    (void)state;
    expect(true, "127.0.0.1:1883",
           "a: 127.0.0.1:1883, mqtt over tcp: open to everybody on this machine, without "
           "credentials");
    expect(true, "127.9.9.9:1",
           "a: 127.9.9.9:1, mqtt over tcp: open to everybody on this machine, "
           "without credentials");
    expect(true, "[::1]:1883",
           "a: [::1]:1883, mqtt over tcp: open to everybody on this machine, without credentials");
    expect(true, "*:1883",
           "a: *:1883, mqtt over tcp: open to everybody who reaches this address, "
           "without credentials");
    expect(true, "192.0.2.1:1",
           "a: 192.0.2.1:1, mqtt over tcp: open to everybody who reaches this "
           "address, without credentials");
    expect(true, "[::]:1",
           "a: [::]:1, mqtt over tcp: open to everybody who reaches this address, "
           "without credentials");
    expect(true, "unix:/run/x",
           "a: unix:/run/x, mqtt over tcp: open to every process that may "
           "write to the socket file, without credentials");
    expect(false, "*:1883",
           "a: *:1883, mqtt over tcp: closed to everybody: anonymous is false, "
           "there are no users");
}

static void a_required_certificate_leaves_no_room_for_a_password(void **state)
{
    (void)state;
    char name[] = "a", protocol[] = "mqtt", transport[] = "tls", to[ENTRY_SIZE];
    struct listener_settings listener = {
        .name = name, .protocol = protocol, .transport = transport};
    struct users *some = (struct users *)&listener; /* only its being there counts */
    const struct access access = {.refs = 1, .users = some};
    listener.tls.client_certificate = TLS_CLIENT_OPTIONAL;
    assert_non_null(strstr(entry_text(&listener, &access, "*:8883", to),
                           "open to who has a certificate or a password"));
    listener.tls.client_certificate = TLS_CLIENT_REQUIRED;
    assert_null(strstr(entry_text(&listener, &access, "*:8883", to), "password"));
}

static void a_protocol_without_passwords_lets_nobody_in_by_one(void **state)
{
    (void)state;
    char name[] = "a", transport[] = "dtls", to[ENTRY_SIZE], expected[ENTRY_SIZE];
    char protocols[][8] = {"raw", "mqtt-sn", "coap"};
    struct users *some = (struct users *)name; /* only its being there counts */
    const struct access access = {.refs = 1, .users = some};
    for (int i = 0; i < 3; i++) {
        struct listener_settings listener = {
            .name = name, .protocol = protocols[i], .transport = transport};
        snprintf(expected, sizeof(expected),
                 "a: *:1, %s over dtls: closed to everybody: anonymous is false, %s has no "
                 "passwords",
                 protocols[i], protocols[i]);
        assert_string_equal(entry_text(&listener, &access, "*:1", to), expected);
        listener.anonymous = true;
        assert_null(strstr(entry_text(&listener, &access, "*:1", to), "password"));
        char keys[] = "keys";
        listener.tls.psk_file = keys;
        listener.anonymous = false;
        snprintf(expected, sizeof(expected),
                 "a: *:1, %s over dtls: open to who has a pre-shared key", protocols[i]);
        assert_string_equal(entry_text(&listener, &access, "*:1", to), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_words_say_who_may_come_in),
        cmocka_unit_test(a_required_certificate_leaves_no_room_for_a_password),
        cmocka_unit_test(a_protocol_without_passwords_lets_nobody_in_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
