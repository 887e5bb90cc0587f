/* Tests daemon/notify.c against a service manager of our own. */
#include "daemon/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int manager = -1;
static char folder[] = "/tmp/siotd-notify-XXXXXX", path[64];

/* Listens on a path or an abstract name and puts it into the environment. */
static void listen_on(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, name);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    assert_int_equal(bind(manager, (struct sockaddr *)&address, length), 0);
    setenv("NOTIFY_SOCKET", name, 1);
}

static const char *received(void)
{
    static char message[1024];
    ssize_t got = recv(manager, message, sizeof(message) - 1, 0);
    message[got > 0 ? got : 0] = '\0';
    return message;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "%s/notify", folder);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (manager >= 0)
        close(manager);
    manager = -1;
    unlink(path);
    return 0;
}

static void each_state_has_its_message(void **state)
{
    (void)state;
    struct notify notify;
    struct timespec before, after;
    unsigned long long us;
    listen_on(path);
    notify_open(&notify);
    assert_null(getenv("NOTIFY_SOCKET"));
    notify_ready(&notify, "ready: 2 listeners");
    assert_string_equal(received(), "READY=1\nSTATUS=ready: 2 listeners");
    clock_gettime(CLOCK_MONOTONIC, &before);
    notify_reloading(&notify);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_int_equal(sscanf(received(), "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=", &us), 1);
    assert_true(us >= (uint64_t)before.tv_sec * 1000000 + (uint64_t)before.tv_nsec / 1000);
    assert_true(us <= (uint64_t)after.tv_sec * 1000000 + (uint64_t)after.tv_nsec / 1000);
    notify_alive(&notify);
    assert_string_equal(received(), "WATCHDOG=1");
    notify_stopping(&notify);
    assert_string_equal(received(), "STOPPING=1\nSTATUS=stopping");
    assert_string_equal(received(), "");
    notify_close(&notify);
    notify_alive(&notify);
    assert_string_equal(received(), "");
}

static void an_abstract_socket_is_reached(void **state)
{
    (void)state;
    struct notify notify;
    char name[64];
    snprintf(name, sizeof(name), "@siotd-notify-%d", getpid());
    listen_on(name);
    notify_open(&notify);
    notify_alive(&notify);
    assert_string_equal(received(), "WATCHDOG=1");
    notify_close(&notify);
}

static void nobody_listening_is_no_trouble(void **state)
{
    (void)state;
    static const char *const names[] = {"", "/", "relative", "/nowhere/at/all", "@"};
    struct notify notify;
    char endless[300];
    notify_open(&notify);
    assert_int_equal(notify.fd, -1);
    notify_ready(&notify, "x");
    notify_close(&notify);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        notify_open(&notify);
        notify_ready(&notify, "x");
        notify_close(&notify);
    }
    memset(endless, 'x', sizeof(endless) - 1);
    endless[0] = '/';
    endless[sizeof(endless) - 1] = '\0';
    setenv("NOTIFY_SOCKET", endless, 1);
    notify_open(&notify);
    assert_int_equal(notify.fd, -1);
}

static void the_watchdog_is_ours_when_the_process_is(void **state)
{
    (void)state;
    struct notify notify;
    char pid[32];
    listen_on(path);
    setenv("WATCHDOG_USEC", "10000000", 1);
    notify_open(&notify);
    assert_int_equal(notify.watchdog_us, 10000000);
    assert_null(getenv("WATCHDOG_USEC"));
    notify_close(&notify);

    snprintf(pid, sizeof(pid), "%d", getpid());
    setenv("NOTIFY_SOCKET", path, 1);
    setenv("WATCHDOG_USEC", "5000", 1);
    setenv("WATCHDOG_PID", pid, 1);
    notify_open(&notify);
    assert_int_equal(notify.watchdog_us, 5000);
    notify_close(&notify);

    static const char *const pids[] = {"1", "x"}, *const periods[] = {"5000", "5000s"};
    for (size_t i = 0; i < 2; i++) {
        setenv("NOTIFY_SOCKET", path, 1);
        setenv("WATCHDOG_USEC", periods[i], 1);
        setenv("WATCHDOG_PID", pids[i], 1);
        notify_open(&notify);
        assert_int_equal(notify.watchdog_us, 0);
        notify_close(&notify);
    }
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_state_has_its_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_abstract_socket_is_reached, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_listening_is_no_trouble, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_watchdog_is_ours_when_the_process_is, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
