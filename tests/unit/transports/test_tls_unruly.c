/* Tests transports/tls.c with clients that leave out or reorder the messages of their last flight:
 * nobody is proven to be somebody, and nothing is let through, but by the one right order. And with
 * clients that offer what is not to be taken. */
#include "tls_client.h"
#include "tls_pki.h"
#include "tls_unruly.h"

#include "base/hash.h"
#include "broker/auth.h"
#include <sys/socket.h>

enum { STEPS_MAX = 8, STILL = 6 /* steps of the loop in which nothing more happens */ };

static enum tls_client asked;

static void server(struct listener_settings *settings)
{
    settings->tls = (struct tls_settings){.certificate = pki_path("server.pem"),
                                          .key = pki_path("server.key"),
                                          .ca = pki_path("ca.pem"),
                                          .client_certificate = asked,
                                          .groups = (char *)"X25519MLKEM768,X25519,P-256",
                                          .handshake_timeout = 10000,
                                          .half_open = 100};
}

static void shake_for_a_while(struct tls_guest *client)
{
    for (int still = 0; still < STILL; still++) {
        int ret = wolfSSL_connect(client->ssl);
        if (ret != WOLFSSL_SUCCESS &&
            wolfSSL_get_error(client->ssl, ret) != WOLFSSL_ERROR_WANT_READ)
            still = still < STILL / 2 ? STILL / 2 : still;
        loop_step(stage.loop, false);
    }
}

/* How many handshakes the listener believes to have made, and whose they are. */
static void expect(const char *steps, bool done, bool proven)
{
    const struct peer *peer = stage.peers[0];
    if ((tls_counts(stage.listener).done == 1) != done)
        fail_msg("%s: %s", steps, done ? "refused" : "taken");
    if ((peer && peer_identity(peer)) != proven)
        fail_msg("%s: %s", steps, proven ? "not believed" : "believed");
}

static void try_order(const char *steps)
{
    struct tls_guest client;
    bool right = strcmp(steps, "CKVHF") == 0, with_content = strcmp(steps, "CKVHFA") == 0;
    stage_open(stack_find("tls"), server);
    tls_client_open(&client, WOLFSSL_TLSV1_2);
    tls_client_certificate(&client, "client");
    unruly_begin(client.ssl, steps);
    shake_for_a_while(&client);
    expect(steps, right || with_content, right || with_content);
    assert_int_equal(stage.packets, with_content);
    unruly_begin(NULL, NULL);
    tls_client_close(&client);
    stage_close();
}

static unsigned every_order(char *steps, size_t len)
{
    unsigned count = 1;
    try_order(steps);
    for (const char *s = "CKVHF"; *s; s++) {
        if (memchr(steps, *s, len))
            continue;
        steps[len] = *s;
        steps[len + 1] = '\0';
        count += every_order(steps, len + 1);
        steps[len] = '\0';
    }
    return count;
}

static void no_order_but_the_right_one_proves_anything(void **unused)
{
    (void)unused;
    char steps[STEPS_MAX] = "";
    asked = TLS_CLIENT_REQUIRED;
    assert_int_equal(every_order(steps, 0), 326); /* arrangements of 5 */
}

static void content_does_not_pass_before_the_handshake_is_over(void **unused)
{
    (void)unused;
    static const char *const orders[] = {"A",      "CA",   "CKA",   "CKVA",  "CKVHA",
                                         "CKVHAF", "CKHA", "KHA",   "KHFA",  "CKHFA",
                                         "KVHFA",  "HA",   "AKVHF", "CKHFVA"};
    uint8_t *frame = frame_new(ORDER_SWALLOW, 10);
    asked = TLS_CLIENT_REQUIRED;
    unruly_content(frame, FRAME_HEADER + 10);
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
        try_order(orders[i]);
    try_order("CKVHFA"); /* it is content that would pass */
    free(frame);
}

static void a_certificate_that_need_not_be_shown_proves_nothing_unproven(void **unused)
{
    (void)unused;
    static const char *const orders[] = {"KHF",   "CKHF",  "KVHF",  "CVKHF", "KCVHF",
                                         "KCHVF", "CKHVF", "CKHFV", "KHFCV", "KHFC"};
    asked = TLS_CLIENT_OPTIONAL;
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        struct tls_guest client;
        stage_open(stack_find("tls"), server);
        tls_client_open(&client, WOLFSSL_TLSV1_2);
        tls_client_certificate(&client, "client");
        unruly_begin(client.ssl, orders[i]);
        shake_for_a_while(&client);
        if (stage.peers[0] && peer_identity(stage.peers[0]))
            fail_msg("%s: believed", orders[i]);
        unruly_begin(NULL, NULL);
        tls_client_close(&client);
        stage_close();
    }
}

static int send_it(WOLFSSL *ssl, char *bytes, int size, void *of)
{
    (void)of;
    ssize_t done = send(wolfSSL_get_fd(ssl), bytes, (size_t)size, MSG_NOSIGNAL);
    return done < 0 ? WOLFSSL_CBIO_ERR_GENERAL : (int)done;
}

static void a_certificate_without_its_proof_is_refused_in_1_3(void **unused)
{
    (void)unused;
    for (int optional = 0; optional < 2; optional++) {
        for (int with_certificate = 0; with_certificate < 2; with_certificate++) {
            struct tls_guest client;
            asked = optional ? TLS_CLIENT_OPTIONAL : TLS_CLIENT_REQUIRED;
            stage_open(stack_find("tls"), server);
            tls_client_open(&client, WOLFSSL_TLSV1_3);
            tls_client_certificate(&client, "client");
            unruly_13_begin(client.ssl, with_certificate, send_it);
            shake_for_a_while(&client);
            expect(with_certificate ? "without a proof" : "without both", false, false);
            tls_client_close(&client);
            stage_close();
        }
    }
}

/* ---- offers ---- */

/* A first flight as the client has made it. */
static uint8_t flight[2048];
static size_t flight_len;

static int catch_it(WOLFSSL *ssl, char *bytes, int size, void *of)
{
    (void)ssl;
    (void)of;
    assert_true((size_t)size <= sizeof(flight) - flight_len);
    memcpy(flight + flight_len, bytes, (size_t)size);
    flight_len += (size_t)size;
    return size;
}

static void catch_hello(struct tls_guest *client)
{
    flight_len = 0;
    wolfSSL_SSLSetIOSend(client->ssl, catch_it);
    wolfSSL_connect(client->ssl);
    assert_in_range(flight_len, 50, sizeof(flight) - 300);
}

static void expect_refusal_of_flight(const struct tls_guest *client, const char *what)
{
    assert_int_equal(send(client->fd, flight, flight_len, MSG_NOSIGNAL), flight_len);
    until(stage.closed == 1);
    expect(what, false, false);
}

/* Messages of two keys in one record (RFC 8446 section 5.1): whatever stands behind a hello. */
static void what_follows_a_hello_in_its_record_is_refused(void **unused)
{
    (void)unused;
    asked = TLS_CLIENT_OPTIONAL;
    for (unsigned type = 0; type < 256; type += type < 30 ? 1 : 25) {
        for (unsigned len = 0; len <= 64; len += 32) {
            struct tls_guest client;
            stage_open(stack_find("tls"), server);
            tls_client_open(&client, WOLFSSL_TLSV1_3);
            catch_hello(&client);
            size_t size = flight_len - 5;
            memset(flight + flight_len, 0x2a, 4 + len);
            flight[flight_len] = (uint8_t)type;
            flight[flight_len + 1] = flight[flight_len + 2] = 0;
            flight[flight_len + 3] = (uint8_t)len;
            flight_len += 4 + len;
            size += 4 + len;
            flight[3] = (uint8_t)(size >> 8);
            flight[4] = (uint8_t)size;
            expect_refusal_of_flight(&client, "what follows a hello");
            tls_client_close(&client);
            stage_close();
        }
    }
}

static void no_hybrid_but_the_one_is_agreed_to(void **unused)
{
    (void)unused;
    static const int others[] = {WOLFSSL_SECP384R1MLKEM1024, WOLFSSL_SECP256R1MLKEM768};
    asked = TLS_CLIENT_OPTIONAL;
    for (int i = 0; i < 2; i++) {
        struct tls_guest client;
        int group = others[i];
        stage_open(stack_find("tls"), server);
        tls_client_open(&client, WOLFSSL_TLSV1_3);
        assert_int_equal(wolfSSL_set_groups(client.ssl, &group, 1), WOLFSSL_SUCCESS);
        assert_int_equal(wolfSSL_UseKeyShare(client.ssl, (word16)group), WOLFSSL_SUCCESS);
        assert_false(tls_client_shake(&client));
        expect("another hybrid", false, false);
        tls_client_close(&client);
        stage_close();
    }
}

static void server_with_keys(struct listener_settings *settings)
{
    asked = TLS_CLIENT_NONE;
    server(settings);
    settings->tls.psk_file = pki_path("keys.psk");
}

static void a_key_without_an_exchange_is_refused_in_1_3(void **unused)
{
    (void)unused;
    for (int without = 0; without < 2; without++) {
        struct tls_guest client;
        stage_open(stack_find("tls"), server_with_keys);
        tls_client_open(&client, WOLFSSL_TLSV1_3);
        tls_client_key(&client, "sensor-1", pki_psk, sizeof(pki_psk));
        if (without)
            assert_int_equal(wolfSSL_no_dhe_psk(client.ssl), 0);
        assert_int_equal(tls_client_shake(&client), !without);
        if (!without)
            tls_client_echo(&client, 10);
        expect("psk_ke", !without, !without);
        tls_client_close(&client);
        stage_close();
    }
}

static void a_key_without_an_exchange_is_refused_in_1_2(void **unused)
{
    (void)unused;
    static const uint8_t with[] = {0xd0, 0x01}; /* ECDHE-PSK-AES128-GCM-SHA256 */
    struct tls_guest client;
    stage_open(stack_find("tls"), server_with_keys);
    tls_client_open(&client, WOLFSSL_TLSV1_2);
    tls_client_key(&client, "sensor-1", pki_psk, sizeof(pki_psk));
    catch_hello(&client);
    uint8_t *suite = memmem(flight, flight_len, with, sizeof(with));
    assert_non_null(suite);
    suite[0] = 0x00;
    suite[1] = 0xa8; /* PSK-AES128-GCM-SHA256 */
    expect_refusal_of_flight(&client, "plain PSK");
    tls_client_close(&client);
    stage_close();
}

int main(void)
{
    hash_start(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_order_but_the_right_one_proves_anything),
        cmocka_unit_test(content_does_not_pass_before_the_handshake_is_over),
        cmocka_unit_test(a_certificate_that_need_not_be_shown_proves_nothing_unproven),
        cmocka_unit_test(a_certificate_without_its_proof_is_refused_in_1_3),
        cmocka_unit_test(what_follows_a_hello_in_its_record_is_refused),
        cmocka_unit_test(no_hybrid_but_the_one_is_agreed_to),
        cmocka_unit_test(a_key_without_an_exchange_is_refused_in_1_3),
        cmocka_unit_test(a_key_without_an_exchange_is_refused_in_1_2),
    };
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
