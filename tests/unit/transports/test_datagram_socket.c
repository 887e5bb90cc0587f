/* Tests batches of datagrams from and to the kernel, and the addresses that they come to. */
#include "transports/datagram_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct socket server;
static struct inbox *inbox;
static bool wildcard;

static bool open_at(const char *bind)
{
    char why[200];
    if (socket_bind(&server, bind, why, sizeof(why)) != 0)
        return false;
    wildcard = datagram_socket_tune(&server, 1 << 20);
    inbox = inbox_new();
    assert_non_null(inbox);
    return true;
}

static int teardown(void **unused)
{
    (void)unused;
    socket_close(&server);
    inbox_free(inbox);
    inbox = NULL;
    return 0;
}

static unsigned port_of(int fd)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof(name);
    struct endpoint endpoint;
    getsockname(fd, (struct sockaddr *)&name, &length);
    assert_true(endpoint_read(&endpoint, &name));
    return endpoint.port;
}

/* A client that talks to that address of the server only, so that it hears answers from nowhere
 * else. */
static int client_of(const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    bool ipv6 = strchr(address, ':') != NULL;
    int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
    in.sin_port = in6.sin6_port = htons((uint16_t)port_of(server.fd));
    if (ipv6)
        inet_pton(AF_INET6, address, &in6.sin6_addr);
    else
        inet_pton(AF_INET, address, &in.sin_addr);
    int failed = ipv6 ? connect(fd, (struct sockaddr *)&in6, sizeof(in6))
                      : connect(fd, (struct sockaddr *)&in, sizeof(in));
    assert_int_equal(failed, 0);
    return fd;
}

static int fill(void)
{
    struct pollfd wait = {.fd = server.fd, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 5000), 1);
    return inbox_fill(inbox, server.fd);
}

/* Answers what has come, and looks whether the client hears it. */
static void answer(int fd)
{
    struct arrival arrival;
    uint32_t missed = 0;
    char got[8] = "";
    assert_int_equal(send(fd, "ask", 3, 0), 3);
    assert_int_equal(fill(), 1);
    assert_true(inbox_read(inbox, 0, &arrival, &missed));
    assert_int_equal(missed, 0);
    assert_true(slice_equal(arrival.bytes, SLICE("ask")));
    struct departure departure = {
        .at = (const uint8_t *)"answer", .len = 6, .to = arrival.from, .from = arrival.to};
    const struct departure *batch[] = {&departure};
    assert_int_equal(datagram_socket_send(&server, batch, 1), 1);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 5000), 1);
    assert_int_equal(recv(fd, got, sizeof(got), 0), 6);
}

static void test_answers_leave_from_where_the_question_came_to(void **unused)
{
    (void)unused;
    assert_true(open_at("0.0.0.0:0"));
    assert_true(wildcard);
    static const char *const addresses[] = {"127.0.0.1", "127.0.0.2", "127.9.8.7"};
    for (size_t i = 0; i < 3; i++) {
        int fd = client_of(addresses[i]);
        answer(fd);
        close(fd);
    }
}

static void test_the_same_for_both_families_on_one_socket(void **unused)
{
    (void)unused;
    assert_true(open_at("*:0"));
    assert_true(wildcard);
    static const char *const addresses[] = {"127.0.0.1", "127.0.0.5", "::1"};
    for (size_t i = 0; i < (server.family == AF_INET6 ? 3 : 2); i++) {
        int fd = client_of(addresses[i]);
        answer(fd);
        close(fd);
    }
}

static void test_one_address_needs_no_such_care(void **unused)
{
    (void)unused;
    struct arrival arrival;
    uint32_t missed = 0;
    static const struct local unknown;
    assert_true(open_at("127.0.0.3:0"));
    assert_false(wildcard);
    int fd = client_of("127.0.0.3");
    answer(fd);
    assert_int_equal(send(fd, "ask", 3, 0), 3);
    assert_int_equal(fill(), 1);
    assert_true(inbox_read(inbox, 0, &arrival, &missed));
    assert_memory_equal(&arrival.to, &unknown, sizeof(unknown));
    close(fd);
    teardown(NULL);
    if (!open_at("[::1]:0"))
        return;
    assert_false(wildcard);
    fd = client_of("::1");
    answer(fd);
    close(fd);
}

static void test_a_batch_brings_many_from_many(void **unused)
{
    (void)unused;
    struct arrival arrival;
    uint32_t missed = 0;
    uint8_t bytes[65507];
    assert_true(open_at("127.0.0.1:0"));
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = client_of("127.0.0.1");
    memset(bytes, 'x', sizeof(bytes));
    for (int i = 0; i < DATAGRAM_BATCH + 8; i++) {
        bytes[0] = (uint8_t)i;
        assert_true(send(fds[i % 3], bytes, i == 5 ? sizeof(bytes) : 1 + (size_t)i, 0) > 0);
    }
    assert_int_equal(fill(), DATAGRAM_BATCH);
    for (int i = 0; i < DATAGRAM_BATCH; i++) {
        assert_true(inbox_read(inbox, i, &arrival, &missed));
        assert_int_equal(arrival.from.port, port_of(fds[i % 3]));
        assert_int_equal(arrival.bytes.len, i == 5 ? sizeof(bytes) : 1 + (size_t)i);
        assert_int_equal(arrival.bytes.at[0], i);
        assert_false(arrival.truncated);
    }
    assert_int_equal(fill(), 8);
    assert_int_equal(inbox_fill(inbox, server.fd), -EAGAIN);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void test_the_kernel_says_what_it_had_no_room_for(void **unused)
{
    (void)unused;
    struct arrival arrival;
    uint32_t missed = 0;
    uint8_t bytes[1000] = {0};
    char why[200];
    assert_int_equal(socket_bind(&server, "127.0.0.1:0", why, sizeof(why)), 0);
    datagram_socket_tune(&server, 4096);
    inbox = inbox_new();
    int fd = client_of("127.0.0.1");
    for (int i = 0; i < 100; i++)
        send(fd, bytes, sizeof(bytes), 0);
    int got = fill();
    assert_true(got > 0 && got < DATAGRAM_BATCH);
    send(fd, bytes, sizeof(bytes), 0);
    assert_int_equal(fill(), 1);
    assert_true(inbox_read(inbox, 0, &arrival, &missed));
    assert_int_equal(missed, 100 - got);
    close(fd);
}

static void test_nobody_else_can_have_the_address(void **unused)
{
    (void)unused;
    char bind[64], why[200];
    struct socket second;
    assert_true(open_at("127.0.0.1:0"));
    snprintf(bind, sizeof(bind), "127.0.0.1:%u", port_of(server.fd));
    assert_int_equal(socket_bind(&second, bind, why, sizeof(why)), -EADDRINUSE);
    assert_int_equal(socket_bind(&second, "unix:/nowhere", why, sizeof(why)), -EAFNOSUPPORT);
    assert_int_equal(socket_bind(&second, "rubbish", why, sizeof(why)), -EINVAL);
}

static void test_a_socket_may_be_inherited(void **unused)
{
    (void)unused;
    char why[200];
    struct socket stranger;
    assert_int_equal(socket_inherit_bound(&stranger, STDIN_FILENO, why, sizeof(why)), -EINVAL);
    int tcp = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(socket_inherit_bound(&stranger, tcp, why, sizeof(why)), -EINVAL);
    close(tcp);
    struct sockaddr_in name = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(socket_inherit_bound(&server, fd, why, sizeof(why)), 0);
    wildcard = datagram_socket_tune(&server, 1 << 20);
    assert_true(wildcard);
    inbox = inbox_new();
    int client = client_of("127.0.0.4");
    answer(client);
    close(client);
}

/* ---- endpoints ---- */

static void test_an_endpoint_is_the_same_whatever_family_its_socket_has(void **unused)
{
    (void)unused;
    struct sockaddr_storage name;
    struct endpoint a, b, back;
    memset(&name, 0xee, sizeof(name));
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(7)};
    inet_pton(AF_INET, "192.0.2.9", &in.sin_addr);
    memcpy(&name, &in, sizeof(in));
    assert_true(endpoint_read(&a, &name));
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(7)};
    inet_pton(AF_INET6, "::ffff:192.0.2.9", &in6.sin6_addr);
    in6.sin6_flowinfo = 0x12345;
    in6.sin6_scope_id = 3; /* means nothing on this address */
    memcpy(&name, &in6, sizeof(in6));
    assert_true(endpoint_read(&b, &name));
    assert_true(endpoint_equal(&a, &b));
    assert_true(endpoint_is_ipv4(a.address));
    assert_int_equal(endpoint_write(&name, AF_INET, &a), sizeof(in));
    assert_true(endpoint_read(&back, &name) && endpoint_equal(&a, &back));
    assert_int_equal(endpoint_write(&name, AF_INET6, &a), sizeof(in6));
    assert_true(endpoint_read(&back, &name) && endpoint_equal(&a, &back));
    name.ss_family = AF_UNIX;
    assert_false(endpoint_read(&back, &name));
}

static void test_a_link_local_endpoint_keeps_its_interface(void **unused)
{
    (void)unused;
    struct sockaddr_storage name;
    struct endpoint a, b;
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(7), .sin6_scope_id = 3};
    inet_pton(AF_INET6, "fe80::1", &in6.sin6_addr);
    memset(&name, 0, sizeof(name));
    memcpy(&name, &in6, sizeof(in6));
    assert_true(endpoint_read(&a, &name));
    assert_int_equal(a.scope, 3);
    assert_false(endpoint_is_ipv4(a.address));
    endpoint_write(&name, AF_INET6, &a);
    assert_int_equal(((struct sockaddr_in6 *)&name)->sin6_scope_id, 3);
    in6.sin6_scope_id = 4;
    memcpy(&name, &in6, sizeof(in6));
    assert_true(endpoint_read(&b, &name));
    assert_false(endpoint_equal(&a, &b));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_answers_leave_from_where_the_question_came_to),
        TEST(test_the_same_for_both_families_on_one_socket),
        TEST(test_one_address_needs_no_such_care),
        TEST(test_a_batch_brings_many_from_many),
        TEST(test_the_kernel_says_what_it_had_no_room_for),
        TEST(test_nobody_else_can_have_the_address),
        TEST(test_a_socket_may_be_inherited),
        cmocka_unit_test(test_an_endpoint_is_the_same_whatever_family_its_socket_has),
        cmocka_unit_test(test_a_link_local_endpoint_keeps_its_interface),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
