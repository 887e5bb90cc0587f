/* Tests transports/tls.c on real sockets, with wolfSSL's client at the other end. */
#include "base/hash.h"
#include "tls_client.h"
#include "tls_pki.h"

#include "base/random.h"
#include "broker/auth.h"
#include "transports/credentials.h"
#include "transports/keylog.h"
#include <fcntl.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/wait.h>

static const int versions[] = {WOLFSSL_TLSV1_2, WOLFSSL_TLSV1_3};

static void plain_server(struct listener_settings *settings)
{
    settings->tls = (struct tls_settings){.certificate = pki_path("server.pem"),
                                          .key = pki_path("server.key"),
                                          .groups = (char *)"X25519MLKEM768,X25519,P-256",
                                          .handshake_timeout = 10000,
                                          .half_open = 100,
                                          .ticket_lifetime = 3600000};
}

static void mutual_server(struct listener_settings *settings)
{
    plain_server(settings);
    settings->tls.ca = pki_path("ca.pem");
    settings->tls.client_certificate = TLS_CLIENT_REQUIRED;
}

static void optional_server(struct listener_settings *settings)
{
    mutual_server(settings);
    settings->tls.client_certificate = TLS_CLIENT_OPTIONAL;
}

static void key_server(struct listener_settings *settings)
{
    plain_server(settings);
    settings->tls.psk_file = pki_path("keys.psk");
}

static void key_or_certificate_server(struct listener_settings *settings)
{
    mutual_server(settings);
    settings->tls.psk_file = pki_path("keys.psk");
}

static struct tls_counts counts(void)
{
    return tls_counts(stage.listener);
}

static void open_on(void (*change)(struct listener_settings *settings))
{
    stage_open(stack_find("tls"), change);
}

/* ---- what should work ---- */

static void content_passes_in_both_versions(void **unused)
{
    (void)unused;
    open_on(plain_server);
    for (int i = 0; i < 2; i++) {
        struct tls_guest client;
        tls_client_open(&client, versions[i]);
        assert_true(tls_client_shake(&client));
        tls_client_echo(&client, 1);
        tls_client_echo(&client, 300000);
        assert_true(peer_is_private(stage.peers[i]));
        assert_null(peer_identity(stage.peers[i]));
        tls_client_close(&client);
    }
    struct handshake_counts counted;
    assert_true(listener_handshakes(stage.listener, &counted));
    assert_int_equal(counted.done, 2);
    assert_int_equal(counted.failed, 0);
    assert_in_range(counted.expires_s - time(NULL), 98 * 86400, 101 * 86400);
    assert_int_equal(counts().done, 2);
    assert_int_equal(counts().version_12, 1);
    assert_int_equal(counts().version_13, 1);
    assert_int_equal(counts().half_open, 0);
    stage_close();
}

static void the_post_quantum_group_is_preferred(void **unused)
{
    (void)unused;
    open_on(plain_server);
    struct tls_guest client;
    int offered[] = {WOLFSSL_ECC_X25519, WOLFSSL_X25519MLKEM768};
    tls_client_open(&client, WOLFSSL_TLSV1_3);
    assert_int_equal(wolfSSL_set_groups(client.ssl, offered, 2), WOLFSSL_SUCCESS);
    assert_int_equal(wolfSSL_UseKeyShare(client.ssl, WOLFSSL_ECC_X25519), WOLFSSL_SUCCESS);
    assert_int_equal(wolfSSL_UseKeyShare(client.ssl, WOLFSSL_X25519MLKEM768), WOLFSSL_SUCCESS);
    assert_true(tls_client_shake(&client));
    assert_string_equal(wolfSSL_get_curve_name(client.ssl), "X25519MLKEM768");
    tls_client_echo(&client, 100);
    tls_client_close(&client);
    stage_close();
}

static void the_post_quantum_group_is_asked_for(void **unused)
{
    (void)unused;
    open_on(plain_server);
    int offered[] = {WOLFSSL_ECC_X25519, WOLFSSL_X25519MLKEM768};
    for (int count = 1; count <= 2; count++) { /* first it is not even named */
        struct tls_guest client;
        tls_client_open(&client, WOLFSSL_TLSV1_3);
        assert_int_equal(wolfSSL_set_groups(client.ssl, offered, count), WOLFSSL_SUCCESS);
        assert_int_equal(wolfSSL_UseKeyShare(client.ssl, WOLFSSL_ECC_X25519), WOLFSSL_SUCCESS);
        assert_true(tls_client_shake(&client));
        assert_string_equal(wolfSSL_get_curve_name(client.ssl),
                            count == 1 ? "X25519" : "X25519MLKEM768");
        tls_client_echo(&client, 100);
        tls_client_close(&client);
    }
    stage_close();
}

static void no_extended_master_secret_no_tls_12(void **unused)
{
    (void)unused;
    open_on(plain_server);
    struct tls_guest client;
    tls_client_open(&client, WOLFSSL_TLSV1_2);
    assert_int_equal(wolfSSL_DisableExtendedMasterSecret(client.ssl), WOLFSSL_SUCCESS);
    assert_false(tls_client_shake(&client));
    assert_int_equal(client.alert, 40); /* handshake_failure */
    assert_non_null(strstr(stage.why, "without the extended master secret"));
    assert_int_equal(counts().failed[TLS_FAILED_PARAMETERS], 1);
    tls_client_close(&client);
    assert_int_equal(counts().half_open, 0);
    stage_close();
}

static void tickets_resume(void **unused)
{
    (void)unused;
    open_on(plain_server);
    for (int i = 0; i < 2; i++) {
        struct tls_guest first, second;
        tls_client_open(&first, versions[i]);
        assert_true(tls_client_shake(&first));
        tls_client_echo(&first, 10);
        WOLFSSL_SESSION *session = wolfSSL_get1_session(first.ssl);
        assert_non_null(session);
        tls_client_close(&first);
        tls_client_open(&second, versions[i]);
        assert_int_equal(wolfSSL_set_session(second.ssl, session), WOLFSSL_SUCCESS);
        assert_true(tls_client_shake(&second));
        assert_true(wolfSSL_session_reused(second.ssl));
        tls_client_echo(&second, 10);
        tls_client_close(&second);
        wolfSSL_SESSION_free(session);
        assert_int_equal(counts().resumed, i + 1);
    }
    stage_close();
}

static void a_ticket_of_another_listener_is_worth_nothing(void **unused)
{
    (void)unused;
    struct tls_guest first, second;
    open_on(plain_server);
    tls_client_open(&first, WOLFSSL_TLSV1_3);
    assert_true(tls_client_shake(&first));
    tls_client_echo(&first, 10);
    WOLFSSL_SESSION *session = wolfSSL_get1_session(first.ssl);
    tls_client_close(&first);
    stage_close();
    open_on(plain_server);
    tls_client_open(&second, WOLFSSL_TLSV1_3);
    wolfSSL_set_session(second.ssl, session);
    assert_true(tls_client_shake(&second));
    assert_false(wolfSSL_session_reused(second.ssl));
    tls_client_echo(&second, 10);
    tls_client_close(&second);
    assert_int_equal(counts().resumed, 0);
    wolfSSL_SESSION_free(session);
    stage_close();
}

static void the_application_protocol_is_agreed_or_refused(void **unused)
{
    (void)unused;
    open_on(plain_server);
    char ours[] = "frames", other[] = "h2";
    struct tls_guest client;
    tls_client_open(&client, WOLFSSL_TLSV1_3);
    wolfSSL_UseALPN(client.ssl, ours, sizeof(ours) - 1, WOLFSSL_ALPN_FAILED_ON_MISMATCH);
    assert_true(tls_client_shake(&client));
    tls_client_close(&client);
    for (int i = 0; i < 2; i++) {
        tls_client_open(&client, versions[i]);
        wolfSSL_UseALPN(client.ssl, other, sizeof(other) - 1, WOLFSSL_ALPN_FAILED_ON_MISMATCH);
        assert_false(tls_client_shake(&client));
        assert_int_equal(client.alert, 120); /* no_application_protocol */
        tls_client_close(&client);
    }
    assert_int_equal(counts().failed[TLS_FAILED_PARAMETERS], 2);
    stage_close();
}

static void often_updated(struct listener_settings *settings)
{
    plain_server(settings);
    settings->tls.rekey_messages = 4;
}

static void keys_are_renewed(void **unused)
{
    (void)unused;
    open_on(often_updated);
    struct tls_guest client;
    tls_client_open(&client, WOLFSSL_TLSV1_3);
    assert_true(tls_client_shake(&client));
    for (int i = 0; i < 40; i++)
        tls_client_echo(&client, 100);
    assert_in_range(counts().rekeyed, 8, 12);
    tls_client_close(&client);
    stage_close();
}

static void small_pieces_leave_as_one_record(void **unused)
{
    (void)unused;
    open_on(plain_server);
    struct tls_guest client;
    char got[4096];
    tls_client_open(&client, WOLFSSL_TLSV1_3);
    assert_true(tls_client_shake(&client));
    tls_client_echo(&client, 1);
    loop_enter(stage.loop);
    for (int i = 0; i < 30; i++)
        peer_send(stage.peers[0], SLICE("0123456789012345678901234567890123456789"));
    loop_leave(stage.loop);
    int n = 0;
    until((n = wolfSSL_read(client.ssl, got, sizeof(got))) > 0);
    assert_int_equal(n, 1200); /* a read gives one record */
    tls_client_close(&client);
    stage_close();
}

static void no_tickets(struct listener_settings *settings)
{
    plain_server(settings);
    settings->tls.ticket_lifetime = 0;
}

/* Without a ticket the end of the handshake is answered by nothing, and a client with Nagle's
 * algorithm holds its first packet back until the kernel acknowledges: 40 ms later, if let be. */
static void the_first_packet_is_not_held_up(void **unused)
{
    (void)unused;
    uint64_t best_ns = UINT64_MAX;
    open_on(no_tickets);
    for (int i = 0; i < 5; i++) {
        struct tls_guest client;
        tls_client_open(&client, WOLFSSL_TLSV1_3);
        int off = 0;
        setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &off, sizeof(off));
        assert_true(tls_client_shake(&client));
        uint64_t begin = uv_hrtime();
        tls_client_echo(&client, 10);
        uint64_t took_ns = uv_hrtime() - begin;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
        tls_client_close(&client);
    }
    assert_true(best_ns < 25000000);
    stage_close();
}

/* ---- who somebody is ---- */

static bool proves(const char *name)
{
    const struct identity *identity = peer_identity(stage.peers[stage.opened - 1]);
    return identity && slice_equal(identity_name(identity), slice_of_str(name));
}

static void a_certificate_proves_a_name(void **unused)
{
    (void)unused;
    open_on(mutual_server);
    for (int i = 0; i < 2; i++) {
        struct tls_guest client;
        tls_client_open(&client, versions[i]);
        tls_client_certificate(&client, "client");
        assert_true(tls_client_shake(&client));
        tls_client_echo(&client, 10);
        assert_true(proves("sensor-7"));
        tls_client_close(&client);
    }
    assert_int_equal(counts().by_certificate, 2);
    stage_close();
}

/* A ticket would let somebody in without the certificate being looked at again. */
static void whoever_has_shown_a_certificate_shows_it_each_time(void **unused)
{
    (void)unused;
    open_on(mutual_server);
    for (int i = 0; i < 2; i++) {
        struct tls_guest client;
        tls_client_open(&client, versions[i]);
        tls_client_certificate(&client, "client");
        assert_true(tls_client_shake(&client));
        tls_client_echo(&client, 10);
        WOLFSSL_SESSION *session = wolfSSL_get1_session(client.ssl);
        tls_client_close(&client);
        tls_client_open(&client, versions[i]);
        wolfSSL_set_session(client.ssl, session);
        assert_false(tls_client_shake(&client) && wolfSSL_session_reused(client.ssl));
        tls_client_close(&client);
        wolfSSL_SESSION_free(session);
    }
    assert_int_equal(counts().resumed, 0);
    stage_close();
}

static void bad_certificates_are_refused(void **unused)
{
    (void)unused;
    static const char *const names[] = {NULL, "expired", "foreign", "for-servers", "nameless"};
    void (*const servers[])(struct listener_settings *) = {mutual_server, optional_server,
                                                           key_or_certificate_server};
    for (int server = 0; server < 3; server++) {
        open_on(servers[server]);
        uint64_t refused = 0;
        for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
            for (int i = 0; i < 2; i++) {
                struct tls_guest client;
                tls_client_open(&client, versions[i]);
                if (names[n])
                    tls_client_certificate(&client, names[n]);
                bool optional = servers[server] == optional_server && !names[n];
                bool begun = tls_client_shake(&client);
                if (begun && optional) {
                    tls_client_echo(&client, 10);
                    assert_null(peer_identity(stage.peers[stage.opened - 1]));
                } else if (begun) {
                    tls_client_await_end(&client);
                }
                refused += !optional;
                tls_client_close(&client);
                assert_int_equal(counts().failed[TLS_FAILED_CERTIFICATE], refused);
                if (names[n] && strcmp(names[n], "expired") == 0)
                    assert_non_null(strstr(stage.why, "certificate of CN=expired expired "));
            }
        }
        assert_int_equal(stage.packets, counts().done);
        stage_close();
    }
}

static void a_key_proves_an_identity(void **unused)
{
    (void)unused;
    open_on(key_server);
    for (int i = 0; i < 2; i++) {
        struct tls_guest client;
        tls_client_open(&client, versions[i]);
        tls_client_key(&client, "sensor-1", pki_psk, sizeof(pki_psk));
        assert_true(tls_client_shake(&client));
        tls_client_echo(&client, 10);
        assert_true(proves("sensor-1"));
        tls_client_close(&client);
    }
    assert_int_equal(counts().by_key, 2);
    stage_close();
}

static void nobody_learns_which_identities_exist(void **unused)
{
    (void)unused;
    open_on(key_server);
    static const unsigned char wrong[16] = "sixteen is magic";
    for (int i = 0; i < 2; i++) {
        int alerts[2];
        for (int known = 0; known < 2; known++) {
            struct tls_guest client;
            tls_client_open(&client, versions[i]);
            tls_client_key(&client, known ? "sensor-1" : "sensor-2", wrong, sizeof(wrong));
            assert_false(tls_client_shake(&client));
            alerts[known] = client.alert;
            tls_client_close(&client);
        }
        assert_true(alerts[0] >= 0);
        assert_int_equal(alerts[0], alerts[1]);
    }
    assert_int_equal(counts().failed[TLS_FAILED_KEY], 4);
    assert_int_equal(counts().done, 0);
    stage_close();
}

/* ---- what should not ---- */

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
    open_on(plain_server);
    send_and_expect_the_end(connect, sizeof(connect) - 1);
    assert_non_null(strstr(stage.why, "MQTT without TLS"));
    send_and_expect_the_end(http, sizeof(http) - 1);
    assert_non_null(strstr(stage.why, "HTTP without TLS"));
    assert_int_equal(counts().failed[TLS_FAILED_NOT_TLS], 2);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 8; i++) {
        random_bytes(noise, 1 << 20);
        noise[0] = (uint8_t)(noise[0] | 0x80); /* no handshake by accident */
        send_and_expect_the_end(noise, 1 << 20);
    }
    assert_int_equal(counts().failed[TLS_FAILED_NOT_TLS], 10);
    assert_true(mallinfo2().uordblks < before + 100000);
    assert_int_equal(counts().half_open, 0);
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
        assert_int_equal(counts().done, 0);
        assert_int_equal(counts().half_open, 0);
        stage_close();
    }
    open_on(plain_server);
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
    assert_int_equal(counts().failed[TLS_FAILED_CLOSED], (hello_len - 1) % 400 + 1);
    assert_int_equal(counts().half_open, 0);
    assert_true(mallinfo2().uordblks < before + 20000);
    stage_close();
}

static void a_hello_may_come_byte_by_byte(void **unused)
{
    (void)unused;
    record_hello();
    open_on(plain_server);
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
    assert_int_equal(counts().done, 0);
    assert_int_equal(counts().half_open, 0);
    stage_close();
}

static void hurried(struct listener_settings *settings)
{
    plain_server(settings);
    settings->tls.handshake_timeout = 100;
    settings->tls.half_open = 3;
}

static void roomy(struct listener_settings *settings)
{
    plain_server(settings);
    settings->tls.half_open = 1000;
}

static void half_open_ones_are_few_and_end_soon(void **unused)
{
    (void)unused;
    open_on(hurried);
    int fds[5];
    for (int i = 0; i < 5; i++)
        fds[i] = client_connect(0);
    until(counts().refused == 2);
    assert_int_equal(counts().half_open, 3);
    struct handshake_counts counted;
    assert_true(listener_handshakes(stage.listener, &counted));
    assert_int_equal(counted.failed, 2);
    until(counts().failed[TLS_FAILED_TIMEOUT] == 3);
    assert_int_equal(counts().half_open, 0);
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
    open_on(roomy);
    struct tls_guest client;
    int fds[STORM];
    tls_client_open(&client, WOLFSSL_TLSV1_3);
    assert_true(tls_client_shake(&client));
    tls_client_echo(&client, 10);
    for (int i = 0; i < STORM; i++) {
        fds[i] = client_connect(0);
        assert_int_equal(send(fds[i], hello, hello_len, 0), hello_len);
    }
    until(counts().half_open == STORM);
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

/* ---- reload ---- */

static void new_credentials_are_for_new_handshakes(void **unused)
{
    (void)unused;
    struct tls_guest old, new;
    struct listener_settings settings = {.name = NULL};
    char why[700];
    open_on(plain_server);
    tls_client_open(&old, WOLFSSL_TLSV1_3);
    assert_true(tls_client_shake(&old));
    settings = stage.settings;
    mutual_server(&settings);
    settings.tls.key = pki_path("client.key");
    assert_true(listener_prepare(stage.listener, &settings, why, sizeof(why)) < 0);
    assert_non_null(strstr(why, "client.key"));
    tls_client_echo(&old, 10);
    settings.tls.key = pki_path("server.key");
    assert_int_equal(listener_prepare(stage.listener, &settings, why, sizeof(why)), 0);
    listener_discard(stage.listener);
    assert_int_equal(listener_prepare(stage.listener, &settings, why, sizeof(why)), 0);
    listener_apply(stage.listener, &settings, NULL);
    tls_client_echo(&old, 10);
    tls_client_open(&new, WOLFSSL_TLSV1_2);
    assert_false(tls_client_shake(&new));
    assert_int_equal(counts().failed[TLS_FAILED_CERTIFICATE], 1);
    wolfSSL_free(new.ssl);
    wolfSSL_CTX_free(new.profile);
    close(new.fd);
    tls_client_echo(&old, 10);
    tls_client_close(&old);
    stage_close();
}

/* ---- what it costs, and what it gives away ---- */

enum { IDLE = 100 };

/* The clients live in another process, so that only the server's side is weighed. */
static void idle_clients(int go, int stop)
{
    char byte;
    struct tls_guest *clients = calloc(IDLE, sizeof(*clients));
    for (int i = 0; i < IDLE; i++) {
        clients[i].profile = wolfSSL_CTX_new(wolfTLSv1_3_client_method());
        wolfSSL_CTX_set_verify(clients[i].profile, WOLFSSL_VERIFY_NONE, NULL);
        clients[i].ssl = wolfSSL_new(clients[i].profile);
        clients[i].fd = client_connect(0);
        wolfSSL_set_fd(clients[i].ssl, clients[i].fd);
        if (wolfSSL_connect(clients[i].ssl) != WOLFSSL_SUCCESS)
            _exit(1);
    }
    if (write(go, "x", 1) == 1 && read(stop, &byte, 1) >= 0)
        _exit(0);
    _exit(1);
}

static void an_idle_connection_costs_little(void **unused)
{
    (void)unused;
    int go[2], stop[2], status;
    char byte;
    void *probe = malloc(100000);
    *(volatile char *)probe = 1; /* or it would not be asked for at all */
    size_t counted = mallinfo2().uordblks;
    free(probe);
    if (counted < 100000)
        skip(); /* a sanitizer's allocator, which counts otherwise */
    open_on(plain_server);
    assert_int_equal(pipe2(go, O_NONBLOCK), 0);
    assert_int_equal(pipe(stop), 0);
    size_t before = mallinfo2().uordblks;
    pid_t child = fork();
    if (child == 0) {
        close(stop[1]);
        idle_clients(go[1], stop[0]);
    }
    until(read(go[0], &byte, 1) == 1);
    until(counts().done == IDLE && counts().half_open == 0);
    stage_pass(1500); /* what is kept for reuse goes after a second */
    size_t each = (mallinfo2().uordblks - before) / IDLE;
    print_message("an idle connection takes %zu bytes\n", each);
    assert_in_range(each, 1000, 8000);
    close(stop[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    until(stage.stats.sockets == 0);
    close(stop[0]);
    close(go[0]);
    close(go[1]);
    stage_close();
}

static void secrets_are_written_only_when_asked_for(void **unused)
{
    (void)unused;
    char text[8192];
    struct tls_guest client;
    open_on(plain_server);
    assert_int_equal(keylog_open(pki_path("keylog")), 0);
    for (int i = 0; i < 2; i++) {
        tls_client_open(&client, versions[i]);
        assert_true(tls_client_shake(&client));
        tls_client_close(&client);
    }
    keylog_close();
    tls_client_open(&client, WOLFSSL_TLSV1_2);
    assert_true(tls_client_shake(&client));
    tls_client_close(&client);
    int fd = open(pki_path("keylog"), O_RDONLY);
    ssize_t len = read(fd, text, sizeof(text) - 1);
    close(fd);
    assert_true(len > 0);
    text[len] = '\0';
    const char *first = strstr(text, "CLIENT_RANDOM ");
    assert_non_null(first);
    assert_int_equal(strcspn(first, "\n"), 14 + 64 + 1 + 96);
    assert_null(strstr(first + 1, "CLIENT_RANDOM "));
    assert_non_null(strstr(text, "CLIENT_HANDSHAKE_TRAFFIC_SECRET "));
    assert_non_null(strstr(text, "SERVER_HANDSHAKE_TRAFFIC_SECRET "));
    assert_non_null(strstr(text, "CLIENT_TRAFFIC_SECRET_0 "));
    assert_non_null(strstr(text, "SERVER_TRAFFIC_SECRET_0 "));
    stage_close();
}

static int make_pki(void **unused)
{
    (void)unused;
    pki_make();
    return 0;
}

static int remove_pki(void **unused)
{
    (void)unused;
    pki_remove();
    return 0;
}

int main(void)
{
    hash_start(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_passes_in_both_versions),
        cmocka_unit_test(the_post_quantum_group_is_preferred),
        cmocka_unit_test(the_post_quantum_group_is_asked_for),
        cmocka_unit_test(no_extended_master_secret_no_tls_12),
        cmocka_unit_test(tickets_resume),
        cmocka_unit_test(a_ticket_of_another_listener_is_worth_nothing),
        cmocka_unit_test(the_application_protocol_is_agreed_or_refused),
        cmocka_unit_test(keys_are_renewed),
        cmocka_unit_test(small_pieces_leave_as_one_record),
        cmocka_unit_test(the_first_packet_is_not_held_up),
        cmocka_unit_test(a_certificate_proves_a_name),
        cmocka_unit_test(whoever_has_shown_a_certificate_shows_it_each_time),
        cmocka_unit_test(bad_certificates_are_refused),
        cmocka_unit_test(a_key_proves_an_identity),
        cmocka_unit_test(nobody_learns_which_identities_exist),
        cmocka_unit_test(what_is_no_tls_is_closed_and_counted),
        cmocka_unit_test(a_hello_cut_anywhere_leaves_nothing_behind),
        cmocka_unit_test(a_hello_may_come_byte_by_byte),
        cmocka_unit_test(every_bent_byte_of_a_hello_is_survived),
        cmocka_unit_test(half_open_ones_are_few_and_end_soon),
        cmocka_unit_test(a_storm_of_handshakes_delays_nobody),
        cmocka_unit_test(new_credentials_are_for_new_handshakes),
        cmocka_unit_test(an_idle_connection_costs_little),
        cmocka_unit_test(secrets_are_written_only_when_asked_for),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
