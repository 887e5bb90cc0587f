/* Tests transports/tls.c against those who are no good clients: who does not speak TLS, speaks half
 * of it, bends it, or comes in thousands. */
#include "base/hash.h"
#include "tls_client.h"
#include "tls_pki.h"

#include "base/random.h"
#include <malloc.h>

static void send_and_expect_the_end(const void *bytes, size_t len)
{
    int fd = client_open();
    const uint8_t *at = bytes;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            break;
        at += sent > 0 ? sent : 0;
        len -= sent > 0 ? (size_t)sent : 0;
        loop_step(stage.loop, false);
    }
    char rest[256];
    client_receive_end(fd, rest, sizeof(rest));
    close(fd);
    until(stage.stats.sockets == 0);
}

static void what_is_no_tls_is_closed_and_counted(void **unused)
{
    (void)unused;
    static const uint8_t connect[] = "\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id";
    static const char http[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    uint8_t *noise = malloc(1 << 20);
    tls_stage_open(pki_server);
    send_and_expect_the_end(connect, sizeof(connect) - 1);
    assert_non_null(strstr(stage.why, "MQTT without TLS"));
    send_and_expect_the_end(http, sizeof(http) - 1);
    assert_non_null(strstr(stage.why, "HTTP without TLS"));
    assert_int_equal(tls_stage_counts().failed[TLS_FAILED_NOT_TLS], 2);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 8; i++) {
        random_bytes(noise, 1 << 20);
        noise[0] = (uint8_t)(noise[0] | 0x80); /* no handshake by accident */
        send_and_expect_the_end(noise, 1 << 20);
    }
    assert_int_equal(tls_stage_counts().failed[TLS_FAILED_NOT_TLS], 10);
    assert_true(mallinfo2().uordblks < before + 100000);
    assert_int_equal(tls_stage_counts().half_open, 0);
    assert_int_equal(stage.packets, 0);
    free(noise);
    stage_close();
}

static uint8_t hello[4096];
static size_t hello_len;

static int keep_hello(WOLFSSL *ssl, char *bytes, int size, void *unused)
{
    (void)ssl;
    (void)unused;
    memcpy(hello + hello_len, bytes, (size_t)size);
    hello_len += (size_t)size;
    return size;
}

static int nothing_to_read(WOLFSSL *ssl, char *bytes, int size, void *unused)
{
    (void)ssl;
    (void)bytes;
    (void)size;
    (void)unused;
    return WOLFSSL_CBIO_ERR_WANT_READ;
}

static void record_hello(void)
{
    WOLFSSL_CTX *profile = wolfSSL_CTX_new(wolfTLSv1_3_client_method());
    wolfSSL_CTX_SetIOSend(profile, keep_hello);
    wolfSSL_CTX_SetIORecv(profile, nothing_to_read);
    WOLFSSL *ssl = wolfSSL_new(profile);
    hello_len = 0;
    wolfSSL_connect(ssl);
    assert_in_range(hello_len, 100, sizeof(hello));
    wolfSSL_free(ssl);
    wolfSSL_CTX_free(profile);
}

/* A stage has places for so many peers. */
static void change_stage(size_t done)
{
    if (done % 400 != 0)
        return;
    if (done > 0) {
        assert_int_equal(tls_stage_counts().done, 0);
        assert_int_equal(tls_stage_counts().half_open, 0);
        stage_close();
    }
    tls_stage_open(pki_server);
}

static void a_hello_cut_anywhere_leaves_nothing_behind(void **unused)
{
    (void)unused;
    record_hello();
    size_t before = 0;
    for (size_t len = 0; len < hello_len; len++) {
        change_stage(len);
        int fd = client_open();
        client_send(fd, hello, len);
        close(fd);
        until(stage.stats.sockets == 0);
        if (len == 16)
            before = mallinfo2().uordblks;
    }
    assert_int_equal(tls_stage_counts().failed[TLS_FAILED_CLOSED], (hello_len - 1) % 400 + 1);
    assert_int_equal(tls_stage_counts().half_open, 0);
    assert_true(mallinfo2().uordblks < before + 20000);
    stage_close();
}

static void a_hello_may_come_byte_by_byte(void **unused)
{
    (void)unused;
    record_hello();
    tls_stage_open(pki_server);
    int fd = client_open();
    for (size_t i = 0; i < hello_len; i++) {
        client_send(fd, hello + i, 1);
        stage_step();
    }
    uint8_t answer[6];
    client_receive(fd, answer, sizeof(answer));
    assert_int_equal(answer[0], 22); /* handshake */
    assert_int_equal(answer[5], 2);  /* ServerHello */
    close(fd);
    until(stage.stats.sockets == 0);
    stage_close();
}

static void every_bent_byte_of_a_hello_is_survived(void **unused)
{
    (void)unused;
    record_hello();
    for (size_t i = 0; i < hello_len; i++) {
        change_stage(i);
        uint8_t kept = hello[i];
        hello[i] = (uint8_t)(hello[i] ^ (1 << (i % 8)));
        int fd = client_open();
        client_send(fd, hello, hello_len);
        hello[i] = kept;
        close(fd);
        until(stage.stats.sockets == 0);
    }
    assert_int_equal(tls_stage_counts().done, 0);
    assert_int_equal(tls_stage_counts().half_open, 0);
    stage_close();
}

static void hurried(struct listener_settings *settings)
{
    pki_server(settings);
    settings->tls.handshake_timeout = 100;
    settings->tls.half_open = 3;
}

static void roomy(struct listener_settings *settings)
{
    pki_server(settings);
    settings->tls.half_open = 1000;
}

static void half_open_ones_are_few_and_end_soon(void **unused)
{
    (void)unused;
    tls_stage_open(hurried);
    int fds[5];
    for (int i = 0; i < 5; i++)
        fds[i] = client_connect(0);
    until(tls_stage_counts().refused == 2);
    assert_int_equal(tls_stage_counts().half_open, 3);
    struct handshake_counts counted;
    assert_true(listener_handshakes(stage.listener, &counted));
    assert_int_equal(counted.failed, 2);
    until(tls_stage_counts().failed[TLS_FAILED_TIMEOUT] == 3);
    assert_int_equal(tls_stage_counts().half_open, 0);
    assert_non_null(strstr(stage.why, "not done within 100 ms"));
    for (int i = 0; i < 5; i++)
        close(fds[i]);
    until(stage.stats.sockets == 0);
    stage_close();
}

enum { STORM = 200 };

/* One turn makes so many steps of handshakes and no more; whoever has had theirs is served in the
 * same turn. */
static void a_storm_of_handshakes_delays_nobody(void **unused)
{
    (void)unused;
    record_hello();
    tls_stage_open(roomy);
    struct tls_guest client;
    int fds[STORM];
    tls_client_open(&client, WOLFSSL_TLSV1_3);
    tls_client_enter(&client);
    for (int i = 0; i < STORM; i++) {
        fds[i] = client_connect(0);
        assert_int_equal(send(fds[i], hello, hello_len, 0), hello_len);
    }
    until(tls_stage_counts().half_open == STORM);
    uint8_t *frame = frame_new(ORDER_SWALLOW, 100);
    assert_true(wolfSSL_write(client.ssl, frame, FRAME_HEADER + 100) > 0);
    unsigned packets = stage.packets;
    struct loop_counts before = loop_counts(stage.loop);
    until(stage.packets == packets + 1);
    assert_in_range(loop_counts(stage.loop).turns - before.turns, 1, 2);
    loop_step(stage.loop, false); /* what that turn has caused leaves */
    int answered = 0;
    char byte;
    for (int i = 0; i < STORM; i++)
        answered += recv(fds[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
    assert_in_range(answered, 1, STORM - 1);
    for (int i = 0; i < STORM; i++) {
        uint8_t answer[6] = {0};
        client_receive(fds[i], answer, sizeof(answer));
        assert_int_equal(answer[5], 2); /* ServerHello */
        close(fds[i]);
    }
    free(frame);
    tls_client_close(&client);
    stage_close();
}

int main(void)
{
    hash_start(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_tls_is_closed_and_counted),
        cmocka_unit_test(a_hello_cut_anywhere_leaves_nothing_behind),
        cmocka_unit_test(a_hello_may_come_byte_by_byte),
        cmocka_unit_test(every_bent_byte_of_a_hello_is_survived),
        cmocka_unit_test(half_open_ones_are_few_and_end_soon),
        cmocka_unit_test(a_storm_of_handshakes_delays_nobody),
    };
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
