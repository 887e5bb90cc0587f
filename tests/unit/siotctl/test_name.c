/* Tests of name: what a certificate may be issued to. */
#include "siotctl/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define X63 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void names_that_are_safe_as_file_user_and_topic_level_are_taken(void **state)
{
    (void)state;
    static const char *const good[] = {"a",        "sensor-7", "esp32_AC67B2", "hub.example.org",
                                       "10.0.0.1", X63};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_null(name_mistake(good[i]));
}

static void other_names_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",   X63 "x", "a b",     "a/b", "../a", "a..b", ".a",   "a.",          "-a",
        "a-", "_a",    "a+",      "#",   "a:b",  "a\n",  "a\tb", "gr\xc3\xbcn", "\xff",
        "ca", "index", "revoked", "%s",  "a\\b", "*.a",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (!name_mistake(wrong[i]))
            fail_msg("taken: %s", wrong[i]);
}

static void alternative_names_are_checked_by_their_kind(void **state)
{
    (void)state;
    static const char *const good[] = {"DNS:localhost", "DNS:a.b",      "DNS:*.example.org",
                                       "DNS:a_b",       "IP:127.0.0.1", "IP:::1",
                                       "IP:fe80::1",    "URI:urn:x:y",  "URI:mqtts://h:8883/a%20b",
                                       "DNS:" X63 ".a"};
    static const char *const wrong[] = {
        "",
        "localhost",
        "dns:a",
        "DNS:",
        "DNS:a b",
        "DNS:-a",
        "DNS:a-",
        "DNS:a-.b",
        "DNS:.a",
        "DNS:a.",
        "DNS:a..b",
        "DNS:*",
        "DNS:*.a",
        "DNS:*.*.a",
        "DNS:a.*.b",
        "DNS:" X63 "x",
        "DNS:gr\xc3\xbcn",
        "IP:",
        "IP:1.2.3",
        "IP:1.2.3.256",
        "IP:1.2.3.4/8",
        "IP: 1.2.3.4",
        "IP:fe80::1%lo",
        "URI:",
        "URI:a",
        "URI::a",
        "URI:1 a:b",
        "URI:a:",
        "URI:a:b c",
        "URI:a:\xc3\xbc",
        "EMAIL:a@b",
        "RID:1",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (name_alt_mistake(good[i]))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (!name_alt_mistake(wrong[i]))
            fail_msg("taken: %s", wrong[i]);
}

static void alternative_names_are_written_in_order(void **state)
{
    (void)state;
    static const char *const names[] = {"DNS:ab", "IP:1.2.3.4", "IP:::1", "URI:a:b"};
    static const char wanted[] =
        "\x30\x21\x82\x02"
        "ab\x87\x04\x01\x02\x03\x04\x87\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
        "\x86\x03"
        "a:b";
    struct der der;
    der_init(&der);
    name_put_alt(&der, names, 4);
    struct slice written = der_written(&der);
    assert_int_equal(written.len, sizeof(wanted) - 1);
    assert_memory_equal(written.at, wanted, written.len);
    der_clear(&der);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_safe_as_file_user_and_topic_level_are_taken),
        cmocka_unit_test(other_names_are_refused),
        cmocka_unit_test(alternative_names_are_checked_by_their_kind),
        cmocka_unit_test(alternative_names_are_written_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
