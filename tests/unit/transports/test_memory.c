/* Tests that running out of memory costs the peer concerned, and nobody else, at every place where
 * it can. */
#include "tests/unit/transports/datagram_stage.h"

#include "broker/message.h"
#include <stdio.h>

static long countdown = -1; /* calls until the one that fails; negative: none does */
static bool persistent;     /* whether all after that one fail too */

static bool fails(void)
{
    if (countdown < 0)
        return false;
    if (countdown > 0) {
        countdown--;
        return false;
    }
    if (!persistent)
        countdown = -1;
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
int __real_vasprintf(char **to, const char *format, va_list arguments);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
int __wrap_vasprintf(char **to, const char *format, va_list arguments);
/* What vasprintf is with _FORTIFY_SOURCE. */
int __real___vasprintf_chk(char **to, int flag, const char *format, va_list arguments);
int __wrap___vasprintf_chk(char **to, int flag, const char *format, va_list arguments);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

int __wrap_vasprintf(char **to, const char *format, va_list arguments)
{
    return fails() ? -1 : __real_vasprintf(to, format, arguments);
}

int __wrap___vasprintf_chk(char **to, int flag, const char *format, va_list arguments)
{
    return fails() ? -1 : __real___vasprintf_chk(to, flag, format, arguments);
}

static void quiet(enum log_level level, const char *about, const char *message)
{
    (void)level;
    (void)about;
    (void)message;
}

static void small(struct listener_settings *settings)
{
    settings->out_buffer = 16 << 10;
}

/* Sends for as long as the other end may still be there. */
static void hurl(int fd, const uint8_t *frame, size_t len)
{
    for (int tries = 0; len > 0 && tries < 100; tries++) {
        ssize_t sent = send(fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        frame += sent > 0 ? sent : 0;
        len -= sent > 0 ? (size_t)sent : 0;
        loop_step(stage.loop, false);
        loop_step(stage.loop, false);
    }
}

/* Output that waits for a promise, and is released. */
static void hold_back(struct peer *peer)
{
    uint8_t *answer = peer_reserve_after(peer, 600, 1);
    if (answer)
        memset(answer, 'a', 600);
    peer_barrier(peer, 2);
    peer_send(peer, SLICE("behind the barrier"));
    peer_send_shared(peer, message_payload(stage.message), stage.message);
    loop_enter(stage.loop);
    loop_keep(stage.loop, 1);
    loop_keep(stage.loop, 2);
    loop_leave(stage.loop);
}

/* A peer that does everything that needs memory, with the n-th allocation failing. Returns whether
 * one did. */
static bool live_through(long n)
{
    uint8_t *large = frame_new(ORDER_SWALLOW, 200000), *echo = frame_new(ORDER_ECHO, 9000);
    uint8_t *shared = frame_new(ORDER_SHARED, 1), *end = frame_new(ORDER_CLOSE, 1);
    countdown = n;
    int fd = client_connect(4096);
    for (int i = 0; i < 3; i++)
        loop_step(stage.loop, false);
    if (stage.opened == 2 && stage.peers[1]) {
        int tiny = 4096; /* so that output waits, here and not in the kernel */
        setsockopt(peer_fd(stage.peers[1]), SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny));
        peer_name(stage.peers[1], SLICE("sensor"));
        hold_back(stage.peers[1]);
    }
    hurl(fd, large, 100);
    hurl(fd, large + 100, 199904);
    for (int i = 0; i < 3; i++)
        hurl(fd, echo, 9004);
    hurl(fd, shared, 5);
    hurl(fd, end, 5);
    close(fd);
    stage_pass(5);
    bool failed = countdown < 0 || (persistent && countdown == 0);
    countdown = -1;
    free(large);
    free(echo);
    free(shared);
    free(end);
    return failed;
}

static bool survive(long n)
{
    log_capture(quiet);
    stage_open(NULL, small);
    static const uint8_t payload[5000];
    struct message borrowed = {.topic = (const uint8_t *)"t",
                               .topic_len = 1,
                               .payload = payload,
                               .payload_len = sizeof(payload)};
    stage.message = message_hold(&borrowed);
    message_end(&borrowed);
    int bystander = client_open();
    bool failed = live_through(n);
    close(bystander);
    bystander = client_open(); /* there is memory again: all is as before */
    client_send_frame(bystander, ORDER_ECHO, 1000);
    client_expect_frame(bystander, ORDER_ECHO, 1000);
    close(bystander);
    stage_close();
    assert_int_equal(stage.message->refs, 1);
    message_unref(stage.message);
    log_capture(NULL);
    return failed;
}

static void test_any_one_allocation_may_fail(void **unused)
{
    (void)unused;
    long n = 0;
    persistent = false;
    while (survive(n))
        n++;
    assert_true(n >= 10);
    print_message("%ld allocations failed in turn\n", n);
}

static void test_all_allocations_from_one_on_may_fail(void **unused)
{
    (void)unused;
    long n = 0;
    persistent = true;
    while (survive(n))
        n++;
    assert_true(n >= 10);
    print_message("from each of %ld allocations on, all failed\n", n);
}

static void test_a_listener_and_a_loop_say_so(void **unused)
{
    (void)unused;
    static const struct loop_hooks none;
    char error[256];
    stage_open(NULL, NULL);
    const struct service service = {.stats = &stage.stats, .protocol = &frames_protocol};
    persistent = false;
    for (long n = 0; n < 2; n++) {
        countdown = n;
        assert_null(loop_new(&none, NULL));
    }
    long failures = 0;
    for (long n = 0;; n++) {
        struct listener *more = NULL;
        countdown = n;
        int result =
            listener_open(stage.loop, &stage.settings, &service, -1, &more, error, sizeof(error));
        bool failed = countdown < 0;
        countdown = -1;
        listener_close(more);
        if (!failed)
            break;
        assert_int_equal(result, -ENOMEM);
        assert_string_equal(error, "listener here: 127.0.0.1:0: out of memory");
        failures++;
    }
    assert_int_equal(failures, 6);
    stage_close();
}

/* ---- datagrams ---- */

static void throw(int fd, enum errand errand, size_t len)
{
    fisher_send(fd, errand, len);
    loop_step(stage.loop, false);
    loop_step(stage.loop, false);
}

/* Peers that do everything that needs memory, with the n-th allocation failing. */
static bool fish_through(long n)
{
    int fds[3];
    uint8_t got[2000];
    for (int i = 0; i < 3; i++)
        fds[i] = fisher_new();
    countdown = n;
    for (int i = 0; i < 3; i++)
        throw(fds[i], i ? ERRAND_VERIFY : ERRAND_ECHO, 1000);
    pond.promise = 1;
    for (int i = 0; i < 80; i++)
        throw(fds[1], ERRAND_AWAIT, 100);
    throw(fds[2], ERRAND_NAME, 10);
    for (int i = 0; i < 80; i++)
        fisher_send(fds[2], ERRAND_ALL, 100);
    throw(fds[0], ERRAND_AWAIT, 100);
    loop_enter(stage.loop);
    loop_keep(stage.loop, 1);
    stage_pass(2);
    throw(fds[2], ERRAND_BYE, 1);
    stage_pass(2);
    bool failed = countdown < 0 || (persistent && countdown == 0);
    countdown = -1;
    for (int i = 0; i < 3; i++) {
        while (recv(fds[i], got, sizeof(got), 0) >= 0)
            ;
        close(fds[i]);
    }
    return failed;
}

static bool fish(long n)
{
    log_capture(quiet);
    pond_open(NULL, NULL);
    int bystander = fisher_new();
    bool failed = fish_through(n);
    fisher_ask(bystander, ERRAND_VERIFY, 1000); /* there is memory again: all is as before */
    fisher_ask(bystander, ERRAND_ECHO, 1000);
    close(bystander);
    pond_close();
    log_capture(NULL);
    return failed;
}

static void test_datagrams_survive_any_failure(void **unused)
{
    (void)unused;
    for (int round = 0; round < 2; round++) {
        long n = 0;
        persistent = round;
        while (fish(n))
            n++;
        assert_true(n >= 10);
        print_message("%ld allocations failed in turn%s\n", n, round ? " for good" : "");
    }
}

static void test_a_listener_on_datagrams_says_so(void **unused)
{
    (void)unused;
    char error[256];
    long failures = 0;
    bool failed = true;
    persistent = false;
    while (failed) {
        pond_open(NULL, NULL);
        struct listener *more = NULL;
        const struct service service = {.stats = &stage.stats, .protocol = &orders_protocol};
        inbox_free(stage.loop->inbox); /* as the first listener of its kind would find it */
        stage.loop->inbox = NULL;
        countdown = failures;
        int result = listener_open_on(stage.loop, &pond.settings, &service, stack_find("udp"), -1,
                                      &more, error, sizeof(error));
        failed = countdown < 0;
        countdown = -1;
        listener_close(more);
        if (failed) {
            assert_int_equal(result, -ENOMEM);
            assert_string_equal(error, "listener here: 127.0.0.1:0: out of memory");
            failures++;
        }
        pond_close();
    }
    assert_int_equal(failures, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_one_allocation_may_fail),
        cmocka_unit_test(test_all_allocations_from_one_on_may_fail),
        cmocka_unit_test(test_a_listener_and_a_loop_say_so),
        cmocka_unit_test(test_datagrams_survive_any_failure),
        cmocka_unit_test(test_a_listener_on_datagrams_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
