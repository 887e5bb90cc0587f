/* Tests transports/listener.c: accepting, refusing, stopping. */
#include "tests/unit/transports/stage.h"

#include "base/hash.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

static char last_line[512];
static unsigned lines;

static void capture(enum log_level level, const char *about, const char *message)
{
    snprintf(last_line, sizeof(last_line), "%d %s: %s", level, about, message);
    lines++;
}

static int setup_capturing(void **unused)
{
    lines = 0;
    last_line[0] = '\0';
    log_capture(capture);
    return stage_setup(unused);
}

static int teardown_capturing(void **unused)
{
    log_capture(NULL);
    return stage_teardown(unused);
}

static void test_accepted_peers_are_counted(void **unused)
{
    (void)unused;
    int fds[300];
    for (int i = 0; i < 300; i++)
        fds[i] = client_connect(0);
    until(stage.opened == 300);
    assert_int_equal(listener_connections(stage.listener), 300);
    assert_int_equal(listener_counts(stage.listener).accepted, 300);
    assert_int_equal(stage.stats.connections_accepted, 300);
    assert_int_equal(stage.stats.sockets, 300);
    for (int i = 0; i < 300; i++)
        close(fds[i]);
    until(listener_connections(stage.listener) == 0);
    assert_int_equal(stage.stats.connections_accepted, 300);
}

static void three(struct listener_settings *settings)
{
    settings->max_connections = 3;
}

static void test_one_more_than_max_connections_is_closed_at_once(void **unused)
{
    (void)unused;
    log_capture(capture);
    stage_open(NULL, three);
    int fds[3];
    char rest[4];
    for (int i = 0; i < 3; i++)
        fds[i] = client_open();
    int more = client_connect(0);
    assert_int_equal(client_receive_end(more, rest, sizeof(rest)), 0);
    close(more);
    assert_int_equal(stage.opened, 3);
    assert_int_equal(listener_counts(stage.listener).refused, 1);
    assert_non_null(strstr(last_line, "listener here: refused 127.0.0.1:"));
    assert_non_null(strstr(last_line, "max_connections"));
    for (int i = 0; i < 20; i++)
        close(client_connect(0));
    until(listener_counts(stage.listener).refused == 21);
    assert_true(lines <= 4); /* two a second */
    close(fds[0]);
    until(listener_connections(stage.listener) == 2);
    fds[0] = client_open();
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    stage_close();
    log_capture(NULL);
}

static void test_without_descriptors_accepting_pauses_and_goes_on(void **unused)
{
    (void)unused;
    struct rlimit before, tight;
    int first = client_open();
    int second = client_connect(0), third = client_connect(0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)dup(0); /* the lowest number that is free */
    close((int)tight.rlim_cur);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    until(listener_counts(stage.listener).back_offs == 1);
    assert_true(timer_is_set(&stage.listener->retry));
    assert_non_null(strstr(last_line, "cannot accept: Too many open files"));
    assert_int_equal(stage.opened, 1);
    uint64_t accepts = loop_counts(stage.loop).accepts, begin = uv_hrtime();
    until(listener_counts(stage.listener).back_offs == 4);
    assert_true(uv_hrtime() - begin > UINT64_C(650000000)); /* 100 + 200 + 400 ms */
    assert_int_equal(loop_counts(stage.loop).accepts, accepts + 3);
    client_send_frame(first, ORDER_ECHO, 10); /* those who are in are served meanwhile */
    client_expect_frame(first, ORDER_ECHO, 10);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    until(stage.opened == 3);
    assert_int_equal(stage.listener->pause_ms, 0);
    assert_int_equal(listener_counts(stage.listener).accepted, 3);
    close(first);
    close(second);
    close(third);
}

static void two_strangers(struct listener_settings *settings)
{
    settings->strangers = 2;
}

static void test_the_oldest_stranger_gives_way_to_a_newer_one(void **unused)
{
    (void)unused;
    char rest[4];
    log_capture(capture);
    stage_open(NULL, two_strangers);
    int known = client_open();
    stage.strange = true;
    int first = client_open(), second = client_open();
    assert_int_equal(stage.listener->stranger_count, 2);
    peer_known(stage.peers[1]);
    assert_int_equal(stage.listener->stranger_count, 1);
    int third = client_open();
    assert_int_equal(stage.closed, 0);
    int fourth = client_open();
    assert_int_equal(stage.closed, 1);
    assert_string_equal(stage.why, "gave way to a newer connection");
    assert_int_equal(client_receive_end(second, rest, sizeof(rest)), 0);
    assert_int_equal(listener_counts(stage.listener).displaced, 1);
    assert_non_null(strstr(last_line, "too many connections that were not let in yet"));
    for (int i = 0; i < 20; i++)
        close(client_open());
    assert_true(lines <= 4);
    client_send_frame(known, ORDER_ECHO, 5); /* nobody else is concerned */
    client_expect_frame(known, ORDER_ECHO, 5);
    client_send_frame(first, ORDER_ECHO, 5);
    client_expect_frame(first, ORDER_ECHO, 5);
    int all[] = {known, first, second, third, fourth};
    for (int i = 0; i < 5; i++)
        close(all[i]);
    until(listener_connections(stage.listener) == 0);
    assert_int_equal(stage.listener->stranger_count, 0);
    stage_close();
    log_capture(NULL);
}

static void test_strangers_do_not_fill_max_connections(void **unused)
{
    (void)unused;
    char rest[4];
    stage_open(NULL, three);
    stage.strange = true;
    int fds[4];
    for (int i = 0; i < 4; i++)
        fds[i] = client_open();
    assert_int_equal(listener_counts(stage.listener).displaced, 1);
    assert_int_equal(listener_counts(stage.listener).refused, 0);
    assert_int_equal(client_receive_end(fds[0], rest, sizeof(rest)), 0);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    stage_close();
}

static void test_silent_strangers_leave_descriptors_for_others(void **unused)
{
    (void)unused;
    struct rlimit before, tight;
    int fds[60];
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = before;
    tight.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    stage_open(NULL, NULL);
    assert_int_equal(stage.listener->strangers_max, 20);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    stage.listener->strangers_max = 1000; /* so that descriptors end first */
    stage.strange = true;
    for (int i = 0; i < 60; i++)
        fds[i] = client_connect(0);
    tight.rlim_cur = (rlim_t)fds[59] + 20;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    until(stage.opened == 60);
    assert_true(listener_counts(stage.listener).displaced >= 40);
    assert_int_equal(listener_counts(stage.listener).back_offs, 0);
    client_send_frame(fds[59], ORDER_ECHO, 5);
    client_expect_frame(fds[59], ORDER_ECHO, 5);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < 60; i++)
        close(fds[i]);
    stage_close();
}

static void two_per_source(struct listener_settings *settings)
{
    settings->per_source = 2;
}

static void test_a_source_has_so_many_connections_and_no_more(void **unused)
{
    (void)unused;
    char rest[4];
    log_capture(capture);
    stage_open(NULL, two_per_source);
    int a = client_open(), b = client_open(), c = client_connect(0);
    assert_int_equal(client_receive_end(c, rest, sizeof(rest)), 0);
    assert_int_equal(listener_counts(stage.listener).refused, 1);
    assert_non_null(strstr(last_line, "per_source is reached"));
    close(a);
    until(listener_connections(stage.listener) == 1);
    a = client_open();
    /* A reload ends it, and begins it again with those who are here. */
    struct listener_settings settings = stage.settings;
    settings.per_source = OPTION_UNLIMITED;
    listener_apply(stage.listener, &settings, NULL);
    close(c);
    c = client_open();
    assert_int_equal(stage.listener->sources.count, 0);
    settings.per_source = 3;
    listener_apply(stage.listener, &settings, NULL);
    int d = client_connect(0);
    assert_int_equal(client_receive_end(d, rest, sizeof(rest)), 0);
    assert_int_equal(listener_counts(stage.listener).refused, 2);
    int all[] = {a, b, c, d};
    for (int i = 0; i < 4; i++)
        close(all[i]);
    until(listener_connections(stage.listener) == 0);
    assert_int_equal(stage.listener->sources.count, 0);
    stage_close();
    log_capture(NULL);
}

static void test_a_network_of_ipv6_is_one_source(void **unused)
{
    (void)unused;
    char rest[4];
    if (!stage_open_at("[::1]:0", NULL, two_per_source))
        skip();
    int a = client_open(), b = client_open(), c = client_connect(0);
    assert_int_equal(client_receive_end(c, rest, sizeof(rest)), 0);
    assert_int_equal(stage.listener->sources.count, 1);
    close(a);
    close(b);
    close(c);
    stage_close();
}

static void five_a_second(struct listener_settings *settings)
{
    settings->accept_rate = 5;
}

static void test_more_than_accept_rate_wait_for_the_next_second(void **unused)
{
    (void)unused;
    int fds[12];
    stage_open(NULL, five_a_second);
    uint64_t begin = uv_hrtime();
    for (int i = 0; i < 12; i++)
        fds[i] = client_connect(0);
    until(stage.opened == 12);
    assert_true(uv_hrtime() - begin > UINT64_C(1000000000)); /* three different seconds */
    assert_true(listener_counts(stage.listener).hurried >= 2);
    assert_int_equal(listener_counts(stage.listener).back_offs, 0);
    for (int i = 0; i < 12; i++)
        close(fds[i]);
    stage_close();
}

static void test_a_pause_does_not_outlive_the_listener(void **unused)
{
    (void)unused;
    timer_set(loop_wheel(stage.loop), &stage.listener->retry, loop_now_ms(stage.loop) + 10);
    listener_stop(stage.listener);
    listener_stop(stage.listener);
    assert_false(timer_is_set(&stage.listener->retry));
    stage_pass(30);
}

static void test_a_stop_says_goodbye_and_lets_it_arrive(void **unused)
{
    (void)unused;
    int a = client_open(), b = client_open();
    char said[16];
    client_send_frame(a, ORDER_ECHO, 100);
    listener_stop(stage.listener);
    until(stage.closed == 2);
    assert_int_equal(stage.stopping, 2);
    assert_string_equal(stage.why, "the server stops");
    client_expect_frame(a, ORDER_ECHO, 100);
    assert_int_equal(client_receive_end(a, said, sizeof(said)), 8);
    assert_memory_equal(said, "stopping", 8);
    assert_int_equal(client_receive_end(b, said, sizeof(said)), 8);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&stage.address, stage.address_len), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
    close(a);
    close(b);
    until(listener_connections(stage.listener) == 0);
}

static void test_a_close_drops_everybody_at_once(void **unused)
{
    (void)unused;
    int a = client_open(), b = client_open(), c = client_connect(4096);
    until(stage.opened == 3);
    memset(peer_reserve(stage.peers[2], 8 << 20), 0, 8 << 20);
    client_send_frame(b, ORDER_CLOSE, 1); /* lingers */
    until(stage.closed == 1);
    listener_close(stage.listener);
    stage.listener = NULL;
    assert_int_equal(stage.closed, 3);
    assert_string_equal(stage.why, "the listener is closed");
    assert_int_equal(stage.stats.sockets, 0);
    close(a);
    close(b);
    close(c);
}

static void test_a_reload_changes_what_it_may(void **unused)
{
    (void)unused;
    int a = client_open(), options = 5;
    const char *mountpoint = peer_listener(stage.peers[0])->mountpoint;
    struct listener_settings settings = {.name = (char *)"other",
                                         .mountpoint = (char *)"elsewhere/",
                                         .anonymous = true,
                                         .max_connections = 1,
                                         .strangers = 1,
                                         .per_source = OPTION_UNLIMITED,
                                         .accept_rate = OPTION_UNLIMITED,
                                         .out_buffer = 4096,
                                         .stall_timeout = 1000};
    listener_apply(stage.listener, &settings, &options);
    assert_ptr_equal(peer_options(stage.peers[0]), &options);
    assert_ptr_equal(peer_listener(stage.peers[0])->mountpoint, mountpoint);
    assert_string_equal(mountpoint, "");
    assert_string_equal(listener_settings(stage.listener)->name, "here");
    assert_true(peer_listener(stage.peers[0])->anonymous);
    uint8_t *to = peer_reserve(stage.peers[0], 5000);
    memset(to, 0, 5000);
    assert_true(peer_is_full(stage.peers[0]));
    int b = client_connect(0);
    char rest[4];
    assert_int_equal(client_receive_end(b, rest, sizeof(rest)), 0);
    close(a);
    close(b);
}

static void test_a_port_in_use_is_named_in_the_error(void **unused)
{
    (void)unused;
    char error[256], bind[64], wanted[128];
    struct listener *second = NULL;
    const struct service service = {.stats = &stage.stats, .protocol = &frames_protocol};
    struct listener_settings settings = stage.settings;
    settings.bind = listener_address(stage.listener, bind, sizeof(bind));
    assert_int_equal(
        listener_open(stage.loop, &settings, &service, -1, &second, error, sizeof(error)),
        -EADDRINUSE);
    assert_null(second);
    snprintf(wanted, sizeof(wanted), "listener here: %s: Address already in use", bind);
    assert_string_equal(error, wanted);
    assert_int_equal(listener_probe(bind, "tcp", error, sizeof(error)), -EADDRINUSE);
    snprintf(wanted, sizeof(wanted), "%s: Address already in use", bind);
    assert_string_equal(error, wanted);
    listener_close(stage.listener);
    stage.listener = NULL;
    stage_step();
    assert_int_equal(listener_probe(bind, "tcp", error, sizeof(error)), 0);
    assert_int_equal(
        listener_open(stage.loop, &settings, &service, -1, &stage.listener, error, sizeof(error)),
        0);
    stage_step();
}

static void test_a_carrier_that_does_not_fit_is_refused(void **unused)
{
    (void)unused;
    char error[256];
    struct protocol datagrams = frames_protocol;
    datagrams.carriers = CARRIER_DATAGRAM;
    const struct service service = {.stats = &stage.stats, .protocol = &datagrams};
    struct listener *none = NULL;
    assert_int_equal(
        listener_open(stage.loop, &stage.settings, &service, -1, &none, error, sizeof(error)),
        -EINVAL);
    assert_string_equal(error, "listener here: protocol frames does not run on transport tcp");
}

static void test_a_descriptor_that_does_not_listen_is_refused_and_left_open(void **unused)
{
    (void)unused;
    char error[256];
    const struct service service = {.stats = &stage.stats, .protocol = &frames_protocol};
    struct listener *none = NULL;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(
        listener_open(stage.loop, &stage.settings, &service, fd, &none, error, sizeof(error)),
        -EINVAL);
    assert_non_null(strstr(error, "not a listening stream socket"));
    assert_int_equal(close(fd), 0);
}

static void test_ipv6_works_and_shows_in_addresses(void **unused)
{
    (void)unused;
    if (!stage_open_at("[::1]:0", NULL, NULL)) {
        print_message("this machine has no IPv6\n");
        skip();
    }
    char address[PEER_ADDRESS_SIZE];
    int fd = client_open();
    client_send_frame(fd, ORDER_ECHO, 10);
    client_expect_frame(fd, ORDER_ECHO, 10);
    peer_address(stage.peers[0], address);
    assert_int_equal(strncmp(address, "[::1]:", 6), 0);
    close(fd);
    stage_close();
}

static void test_a_unix_socket_works_is_private_and_goes_with_the_listener(void **unused)
{
    (void)unused;
    char path[64], bind[80], address[PEER_ADDRESS_SIZE];
    struct stat there;
    snprintf(path, sizeof(path), "/tmp/siotd-test-%d.sock", (int)getpid());
    snprintf(bind, sizeof(bind), "unix:%s", path);
    assert_true(stage_open_at(bind, NULL, NULL));
    assert_int_equal(stat(path, &there), 0);
    assert_int_equal(there.st_mode & 0777, 0660);
    int fd = client_open();
    client_send_frame(fd, ORDER_ECHO, 70000);
    client_expect_frame(fd, ORDER_ECHO, 70000);
    assert_string_equal(peer_address(stage.peers[0], address), "unix");
    assert_true(peer_is_private(stage.peers[0]));
    assert_string_equal(listener_address(stage.listener, address, sizeof(address)), bind);
    close(fd);
    stage_close();
    assert_int_equal(stat(path, &there), -1);
}

int main(void)
{
#define TEST(f)           cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
#define TEST_CAPTURING(f) cmocka_unit_test_setup_teardown(f, setup_capturing, teardown_capturing)
    const struct CMUnitTest tests[] = {
        TEST(test_accepted_peers_are_counted),
        cmocka_unit_test(test_one_more_than_max_connections_is_closed_at_once),
        cmocka_unit_test(test_the_oldest_stranger_gives_way_to_a_newer_one),
        cmocka_unit_test(test_strangers_do_not_fill_max_connections),
        cmocka_unit_test(test_silent_strangers_leave_descriptors_for_others),
        cmocka_unit_test(test_a_source_has_so_many_connections_and_no_more),
        cmocka_unit_test(test_a_network_of_ipv6_is_one_source),
        cmocka_unit_test(test_more_than_accept_rate_wait_for_the_next_second),
        TEST_CAPTURING(test_without_descriptors_accepting_pauses_and_goes_on),
        TEST(test_a_pause_does_not_outlive_the_listener),
        TEST(test_a_stop_says_goodbye_and_lets_it_arrive),
        TEST(test_a_close_drops_everybody_at_once),
        TEST(test_a_reload_changes_what_it_may),
        TEST(test_a_port_in_use_is_named_in_the_error),
        TEST(test_a_carrier_that_does_not_fit_is_refused),
        TEST(test_a_descriptor_that_does_not_listen_is_refused_and_left_open),
        cmocka_unit_test(test_ipv6_works_and_shows_in_addresses),
        cmocka_unit_test(test_a_unix_socket_works_is_private_and_goes_with_the_listener),
    };
    hash_start(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
