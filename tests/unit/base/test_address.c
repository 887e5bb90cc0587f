/* Tests base/address.c. */
#include "base/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct address read_good(const char *text)
{
    struct address address;
    char why[128] = "";
    if (!address_read(text, &address, why, sizeof(why)))
        fail_msg("%s %s", text, why);
    return address;
}

static void refused(const char *text, const char *part)
{
    struct address address;
    char why[128] = "";
    if (address_read(text, &address, why, sizeof(why)))
        fail_msg("%s was accepted", text);
    if (!strstr(why, part))
        fail_msg("%s %s", text, why);
}

static bool overlap(const char *a, const char *b)
{
    struct address left = read_good(a), right = read_good(b);
    assert_int_equal(address_overlap(&left, &right), address_overlap(&right, &left));
    return address_overlap(&left, &right);
}

static void four_kinds_are_read(void **state)
{
    (void)state;
    struct address a = read_good("127.0.0.1:1883");
    assert_int_equal(a.family, ADDRESS_IPV4);
    assert_int_equal(a.v4.s_addr, htonl(INADDR_LOOPBACK));
    assert_int_equal(a.port, 1883);
    a = read_good("[::1]:65535");
    assert_int_equal(a.family, ADDRESS_IPV6);
    assert_true(IN6_IS_ADDR_LOOPBACK(&a.v6));
    assert_int_equal(a.port, 65535);
    a = read_good("[fe80::1%eth0]:1");
    assert_string_equal(a.scope, "eth0");
    a = read_good("*:0");
    assert_int_equal(a.port, 0);
    assert_int_equal(a.family, ADDRESS_ANY);
    a = read_good("unix:/run/siotd/mqtt:1.sock");
    assert_int_equal(a.family, ADDRESS_UNIX);
    assert_string_equal(a.path, "/run/siotd/mqtt:1.sock");
    assert_int_equal(a.port, 0);
}

static void anything_else_is_refused_with_a_reason(void **state)
{
    (void)state;
    static const char *const ports[] = {"127.0.0.1:", "127.0.0.1:x",   "127.0.0.1:65536",
                                        "*:123456",   "*:-1",          "*:1x",
                                        "*: 1",       "[::]:99999999", "*:+1"};
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
        refused(ports[i], "port from 0 to 65535");
    refused("1883", "has no port");
    refused("", "has no port");
    refused("[::1]", "has no port");
    refused("::1", "without [brackets]");
    refused("::", "without [brackets]");
    static const char *const hosts[] = {":1883",         "localhost:1883",
                                        "127.0.0.256:1", "127.1:1",
                                        "[127.0.0.1]:1", "[::g]:1",
                                        "[]:1",          "[fe80::1%]:1",
                                        "[::1:1",        "tcp://1.2.3.4:1",
                                        "1.2.3.4 :1",    "[fe80::1%averyveryverylonginterface]:1"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
        refused(hosts[i], "is no numeric address");
    refused("unix:", "absolute");
    refused("unix:mqtt.sock", "absolute");
    char endless[300] = "unix:/";
    memset(endless + 6, 'x', sizeof(endless) - 7);
    endless[sizeof(endless) - 1] = '\0';
    refused(endless, "longer than the 107 bytes");
    endless[5 + 107] = '\0';
    read_good(endless);
    memset(endless, '1', 200);
    memcpy(endless + 200, ":1", 3);
    refused(endless, "is no numeric address");
}

static void addresses_that_contain_each_other_overlap(void **state)
{
    (void)state;
    assert_true(overlap("127.0.0.1:1", "127.0.0.1:1"));
    assert_false(overlap("127.0.0.1:1", "127.0.0.1:2"));
    assert_false(overlap("127.0.0.1:1", "127.0.0.2:1"));
    assert_true(overlap("0.0.0.0:1", "127.0.0.2:1"));
    assert_true(overlap("*:1", "127.0.0.2:1"));
    assert_true(overlap("*:1", "[::1]:1"));
    assert_true(overlap("*:1", "*:1"));
    assert_false(overlap("*:0", "*:0"));
    assert_true(overlap("[::]:1", "[::1]:1"));
    assert_true(overlap("[0:0::1]:1", "[::1]:1"));
    assert_false(overlap("[::1]:1", "127.0.0.1:1"));
    assert_false(overlap("[fe80::1%a]:1", "[fe80::1%b]:1"));
    assert_true(overlap("unix:/a", "unix:/a"));
    assert_false(overlap("unix:/a", "unix:/b"));
    assert_false(overlap("unix:/a", "*:1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_kinds_are_read),
        cmocka_unit_test(anything_else_is_refused_with_a_reason),
        cmocka_unit_test(addresses_that_contain_each_other_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
