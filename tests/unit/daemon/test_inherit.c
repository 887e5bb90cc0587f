/* Tests daemon/inherit.c with real sockets. */
#include "base/log.h"
#include "daemon/inherit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { FIRST = 200 }; /* far from what the test itself has open */

static char tcp[] = "tcp", udp[] = "udp";
static struct inheritance inheritance;
static char warnings[2048];

static void keep_warning(enum log_level level, const char *about, const char *message)
{
    assert_true(level == LOG_WARNING || level == LOG_ERROR);
    assert_string_equal(about, "siotd");
    strncat(warnings, message, sizeof(warnings) - strlen(warnings) - 2);
    strcat(warnings, "\n");
}

static int set_up(void **state)
{
    (void)state;
    warnings[0] = '\0';
    log_capture(keep_warning);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    log_capture(NULL);
    for (int fd = FIRST; fd < FIRST + 8; fd++)
        close(fd);
    return 0;
}

/* Binds to 127.0.0.1 or ::1 and puts the socket at descriptor `at`; returns the port. */
static unsigned bind_kind_at(int at, int family, int kind)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } name = {.any = {.sa_family = (sa_family_t)family}};
    socklen_t length = family == AF_INET ? sizeof(name.v4) : sizeof(name.v6);
    if (family == AF_INET)
        name.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        name.v6.sin6_addr = in6addr_loopback;
    int fd = socket(family, kind, 0);
    if (fd < 0 || bind(fd, &name.any, length) < 0) {
        close(fd);
        return 0; /* no such family here */
    }
    assert_int_equal(getsockname(fd, &name.any, &length), 0);
    assert_int_equal(dup2(fd, at), at);
    close(fd);
    return ntohs(family == AF_INET ? name.v4.sin_port : name.v6.sin6_port);
}

static unsigned bind_at(int at, int family)
{
    return bind_kind_at(at, family, SOCK_STREAM);
}

static void offer(unsigned count, const char *names)
{
    char text[32];
    snprintf(text, sizeof(text), "%d", getpid());
    setenv("LISTEN_PID", text, 1);
    snprintf(text, sizeof(text), "%u", count);
    setenv("LISTEN_FDS", text, 1);
    unsetenv("LISTEN_FDNAMES");
    if (names)
        setenv("LISTEN_FDNAMES", names, 1);
    inherit_collect(&inheritance, FIRST);
    assert_null(getenv("LISTEN_PID"));
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_FDNAMES"));
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void a_socket_goes_to_the_listener_of_its_name(void **state)
{
    (void)state;
    char a[] = "a", b[] = "b", bind_a[32], bind_b[] = "127.0.0.1:1";
    unsigned port = bind_at(FIRST, AF_INET);
    snprintf(bind_a, sizeof(bind_a), "127.0.0.1:%u", port);
    bind_at(FIRST + 1, AF_INET);
    /* b's socket has a's address: the name counts, whoever asks first */
    struct listener_settings listeners[] = {{.name = a, .transport = tcp, .bind = bind_a},
                                            {.name = b, .transport = tcp, .bind = bind_b}};
    struct config config = {.listeners = listeners, .listener_count = 2};
    int fds[2];
    offer(2, "b:a");
    assert_true(inherit_assign(&inheritance, &config, fds));
    assert_int_equal(fds[0], FIRST + 1);
    assert_int_equal(fds[1], FIRST);
    assert_int_equal(fcntl(FIRST, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    inherit_clear(&inheritance);
    assert_string_equal(warnings, "");
    assert_true(is_open(FIRST) && is_open(FIRST + 1));
}

static void without_a_name_the_address_counts(void **state)
{
    (void)state;
    char a[] = "a", b[] = "b", c[] = "c", bind_a[32], bind_b[32], bind_c[] = "unix:/tmp/none";
    unsigned port = bind_at(FIRST, AF_INET), port6 = bind_at(FIRST + 1, AF_INET6);
    snprintf(bind_a, sizeof(bind_a), "[::1]:%u", port6 ? port6 : 1);
    snprintf(bind_b, sizeof(bind_b), "127.0.0.1:%u", port);
    struct listener_settings listeners[] = {{.name = a, .transport = tcp, .bind = bind_a},
                                            {.name = b, .transport = tcp, .bind = bind_b},
                                            {.name = c, .transport = tcp, .bind = bind_c}};
    struct config config = {.listeners = listeners, .listener_count = 3};
    int fds[3];
    offer(2, port6 ? "siotd.socket:siotd.socket" : "siotd.socket");
    assert_true(inherit_assign(&inheritance, &config, fds));
    assert_int_equal(fds[0], port6 ? FIRST + 1 : -1);
    assert_int_equal(fds[1], FIRST);
    assert_int_equal(fds[2], -1);
    inherit_clear(&inheritance);
    assert_string_equal(warnings, "");
}

static void a_unix_socket_is_found_by_its_path(void **state)
{
    (void)state;
    char a[] = "a", bind_a[128];
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof(name.sun_path), "/tmp/siotd-inherit-%d", getpid());
    snprintf(bind_a, sizeof(bind_a), "unix:%s", name.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), fds[1];
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(dup2(fd, FIRST), FIRST);
    close(fd);
    unlink(name.sun_path);
    struct listener_settings listener = {.name = a, .transport = tcp, .bind = bind_a};
    struct config config = {.listeners = &listener, .listener_count = 1};
    offer(1, NULL);
    assert_true(inherit_assign(&inheritance, &config, fds));
    assert_int_equal(fds[0], FIRST);
    inherit_clear(&inheritance);
}

static void a_socket_goes_to_a_listener_of_its_kind(void **state)
{
    (void)state;
    char a[] = "a", b[] = "b", bind_a[32], bind_b[] = "127.0.0.1:1";
    /* One name for both kinds, and the wrong one first; and an address without a name. */
    bind_at(FIRST, AF_INET);
    bind_kind_at(FIRST + 1, AF_INET, SOCK_DGRAM);
    unsigned port = bind_kind_at(FIRST + 2, AF_INET, SOCK_DGRAM);
    snprintf(bind_a, sizeof(bind_a), "127.0.0.1:%u", port);
    struct listener_settings listeners[] = {{.name = b, .transport = udp, .bind = bind_b},
                                            {.name = b, .transport = tcp, .bind = bind_b},
                                            {.name = a, .transport = tcp, .bind = bind_a},
                                            {.name = a, .transport = udp, .bind = bind_a}};
    struct config config = {.listeners = listeners, .listener_count = 4};
    int fds[4];
    offer(3, "b:b:c");
    assert_true(inherit_assign(&inheritance, &config, fds));
    assert_int_equal(fds[0], FIRST + 1);
    assert_int_equal(fds[1], FIRST);
    assert_int_equal(fds[2], -1);
    assert_int_equal(fds[3], FIRST + 2);
    inherit_clear(&inheritance);
    assert_string_equal(warnings, "");
}

static void a_socket_of_the_wrong_kind_ends_the_start(void **state)
{
    (void)state;
    char a[] = "a", b[] = "b", bind_a[] = "127.0.0.1:1";
    bind_kind_at(FIRST, AF_INET, SOCK_DGRAM);
    bind_at(FIRST + 1, AF_INET);
    struct listener_settings listeners[] = {{.name = a, .transport = tcp, .bind = bind_a},
                                            {.name = b, .transport = udp, .bind = bind_a}};
    struct config config = {.listeners = listeners, .listener_count = 2};
    int fds[2];
    offer(2, "a:b");
    assert_false(inherit_assign(&inheritance, &config, fds));
    assert_non_null(strstr(warnings, "listener a: "));
    assert_non_null(strstr(warnings, "listener b: "));
    inherit_clear(&inheritance);
    assert_false(is_open(FIRST) || is_open(FIRST + 1));
}

static void a_socket_of_nobody_is_closed_and_named(void **state)
{
    (void)state;
    char a[] = "a", bind_a[] = "127.0.0.1:1";
    struct listener_settings listener = {.name = a, .transport = tcp, .bind = bind_a};
    struct config config = {.listeners = &listener, .listener_count = 1};
    int fds[1];
    bind_at(FIRST, AF_INET);
    offer(1, "x\ny");
    assert_true(inherit_assign(&inheritance, &config, fds));
    assert_int_equal(fds[0], -1);
    inherit_clear(&inheritance);
    assert_false(is_open(FIRST));
    assert_string_equal(warnings,
                        "the inherited socket \"x\\x0ay\" belongs to no listener; it is closed\n");
}

static void what_is_meant_for_others_is_left_alone(void **state)
{
    (void)state;
    bind_at(FIRST, AF_INET);
    setenv("LISTEN_PID", "1", 1);
    setenv("LISTEN_FDS", "1", 1);
    inherit_collect(&inheritance, FIRST);
    assert_int_equal(inheritance.count, 0);
    assert_null(getenv("LISTEN_FDS"));
    inherit_collect(&inheritance, FIRST);
    assert_int_equal(inheritance.count, 0);
    offer(5, NULL); /* four of them do not exist */
    assert_int_equal(inheritance.count, 1);
    inherit_clear(&inheritance);
    assert_false(is_open(FIRST));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_socket_goes_to_the_listener_of_its_name, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_a_name_the_address_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_unix_socket_is_found_by_its_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_socket_goes_to_a_listener_of_its_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_socket_of_the_wrong_kind_ends_the_start, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_socket_of_nobody_is_closed_and_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_meant_for_others_is_left_alone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
