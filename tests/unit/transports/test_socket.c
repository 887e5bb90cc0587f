/* Tests transports/socket.c: listening sockets from text. */
#include "transports/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64], bind_text[80], why[200];
static struct socket s;

static int setup(void **unused)
{
    (void)unused;
    snprintf(path, sizeof(path), "/tmp/siotd-socket-%d", (int)getpid());
    snprintf(bind_text, sizeof(bind_text), "unix:%s", path);
    unlink(path);
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    unlink(path);
    return 0;
}

static bool exists(void)
{
    struct stat there;
    return lstat(path, &there) == 0;
}

static void test_a_socket_file_comes_and_goes(void **unused)
{
    (void)unused;
    mode_t before = umask(0);
    assert_int_equal(socket_listen(&s, bind_text, 5, why, sizeof(why)), 0);
    assert_int_equal(umask(before), 0); /* left as it was */
    struct stat there;
    assert_int_equal(stat(path, &there), 0);
    assert_int_equal(there.st_mode & 0777, 0660);
    assert_int_equal(s.family, AF_UNIX);
    assert_true(fcntl(s.fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(s.fd, F_GETFD) & FD_CLOEXEC);
    socket_close(&s);
    assert_false(exists());
    socket_close(&s);
}

static void test_a_stale_socket_file_is_replaced(void **unused)
{
    (void)unused;
    assert_int_equal(socket_listen(&s, bind_text, 5, why, sizeof(why)), 0);
    close(s.fd); /* as a killed process leaves it */
    free(s.path);
    assert_true(exists());
    assert_int_equal(socket_listen(&s, bind_text, 5, why, sizeof(why)), 0);
    socket_close(&s);
}

static void test_a_socket_file_in_use_is_left_alone(void **unused)
{
    (void)unused;
    struct socket second;
    assert_int_equal(socket_listen(&s, bind_text, 5, why, sizeof(why)), 0);
    assert_int_equal(socket_listen(&second, bind_text, 5, why, sizeof(why)), -EADDRINUSE);
    socket_close(&second);
    assert_true(exists());
    socket_close(&s);
}

static void test_what_is_no_socket_is_never_removed(void **unused)
{
    (void)unused;
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(socket_listen(&s, bind_text, 5, why, sizeof(why)), -EEXIST);
    assert_non_null(strstr(why, "something else is there"));
    assert_true(exists());
    close(fd);
    unlink(path);
    assert_int_equal(symlink("/tmp", path), 0);
    assert_int_equal(socket_listen(&s, bind_text, 5, why, sizeof(why)), -EEXIST);
    assert_true(exists());
}

static void test_the_file_of_a_successor_is_not_removed(void **unused)
{
    (void)unused;
    struct socket successor;
    assert_int_equal(socket_listen(&s, bind_text, 5, why, sizeof(why)), 0);
    unlink(path);
    assert_int_equal(socket_listen(&successor, bind_text, 5, why, sizeof(why)), 0);
    socket_close(&s);
    assert_true(exists());
    socket_close(&successor);
    assert_false(exists());
}

static void test_a_path_that_cannot_be_is_refused(void **unused)
{
    (void)unused;
    assert_int_equal(socket_listen(&s, "unix:/nowhere/at/all", 5, why, sizeof(why)), -ENOENT);
    assert_int_equal(s.fd, -1);
    assert_null(s.path);
}

static void test_text_that_is_no_address_is_refused_with_a_reason(void **unused)
{
    (void)unused;
    static const char *const texts[] = {
        "", "1883", "localhost:1883", "127.0.0.1", "[::1]", "127.0.0.1:65536", "unix:relative"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        why[0] = '\0';
        assert_int_equal(socket_listen(&s, texts[i], 5, why, sizeof(why)), -EINVAL);
        assert_true(strlen(why) > 0);
        assert_int_equal(s.fd, -1);
    }
}

/* A port that was free a moment ago. */
static unsigned free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    getsockname(fd, (struct sockaddr *)&in, &length);
    close(fd);
    return ntohs(in.sin_port);
}

static bool connects(int family, unsigned port)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)port),
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(family, SOCK_STREAM, 0);
    int error = family == AF_INET ? connect(fd, (struct sockaddr *)&in, sizeof(in))
                                  : connect(fd, (struct sockaddr *)&in6, sizeof(in6));
    close(fd);
    return error == 0;
}

static bool listens_at(const char *host, unsigned port)
{
    char text[64];
    snprintf(text, sizeof(text), "%s:%u", host, port);
    return socket_listen(&s, text, 5, why, sizeof(why)) == 0;
}

static void test_a_star_is_both_families_and_brackets_are_one(void **unused)
{
    (void)unused;
    unsigned port = free_port();
    assert_true(listens_at("*", port));
    assert_true(connects(AF_INET, port));
    bool ipv6 = s.family == AF_INET6;
    socket_close(&s);
    if (!ipv6) {
        print_message("this machine has no IPv6\n");
        skip();
    }
    port = free_port();
    assert_true(listens_at("*", port));
    assert_true(connects(AF_INET6, port));
    socket_close(&s);
    port = free_port();
    assert_true(listens_at("[::]", port));
    assert_true(connects(AF_INET6, port));
    assert_false(connects(AF_INET, port));
    struct socket other = s; /* and the other family can have the same port */
    assert_true(listens_at("0.0.0.0", port));
    socket_close(&s);
    socket_close(&other);
}

static void test_a_descriptor_is_taken_over(void **unused)
{
    (void)unused;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(socket_inherit(&s, fd, why, sizeof(why)), -EINVAL);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(socket_inherit(&s, fd, why, sizeof(why)), 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(s.family, AF_INET);
    socket_close(&s);
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(socket_inherit(&s, udp, why, sizeof(why)), -EINVAL);
    close(udp);
    assert_int_equal(socket_inherit(&s, 9999, why, sizeof(why)), -EINVAL);
}

static void test_addresses_read_as_people_write_them(void **unused)
{
    (void)unused;
    char text[64];
    struct sockaddr_storage name;
    struct sockaddr_in *in = (struct sockaddr_in *)&name;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&name;
    struct sockaddr_un *un = (struct sockaddr_un *)&name;
    memset(&name, 0, sizeof(name));
    in->sin_family = AF_INET;
    in->sin_port = htons(50112);
    inet_pton(AF_INET, "192.0.2.7", &in->sin_addr);
    assert_string_equal(socket_address(text, sizeof(text), &name), "192.0.2.7:50112");
    memset(&name, 0, sizeof(name));
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(1);
    inet_pton(AF_INET6, "2001:db8::1", &in6->sin6_addr);
    assert_string_equal(socket_address(text, sizeof(text), &name), "[2001:db8::1]:1");
    inet_pton(AF_INET6, "::ffff:192.0.2.9", &in6->sin6_addr);
    assert_string_equal(socket_address(text, sizeof(text), &name), "192.0.2.9:1");
    memset(&name, 0, sizeof(name));
    un->sun_family = AF_UNIX;
    assert_string_equal(socket_address(text, sizeof(text), &name), "unix");
    strcpy(un->sun_path, "/run/x");
    assert_string_equal(socket_address(text, sizeof(text), &name), "unix:/run/x");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_socket_file_comes_and_goes),
        TEST(test_a_stale_socket_file_is_replaced),
        TEST(test_a_socket_file_in_use_is_left_alone),
        TEST(test_what_is_no_socket_is_never_removed),
        TEST(test_the_file_of_a_successor_is_not_removed),
        TEST(test_a_path_that_cannot_be_is_refused),
        TEST(test_text_that_is_no_address_is_refused_with_a_reason),
        TEST(test_a_star_is_both_families_and_brackets_are_one),
        TEST(test_a_descriptor_is_taken_over),
        TEST(test_addresses_read_as_people_write_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
