/* Tests transports/tls_proof.c: nobody is who he only says he is. A pre-shared key proves an
 * identity when the handshake was made with it, not when its name was mentioned. */
#include "tls_client.h"
#include "tls_pki.h"

#include "base/hash.h"
#include "broker/auth.h"
#include <stdio.h>

static void server_with_both(struct listener_settings *settings)
{
    settings->tls = (struct tls_settings){.certificate = pki_path("server.pem"),
                                          .key = pki_path("server.key"),
                                          .psk_file = pki_path("keys.psk"),
                                          .groups = (char *)"X25519,P-256",
                                          .handshake_timeout = 10000,
                                          .half_open = 100,
                                          .ticket_lifetime = 3600000};
}

static void server_that_wants_either(struct listener_settings *settings)
{
    server_with_both(settings);
    settings->tls.ca = pki_path("ca.pem");
    settings->tls.client_certificate = TLS_CLIENT_REQUIRED;
}

static const char *suite_name;

static unsigned claim(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_size,
                      unsigned char *key, unsigned key_size, const char **suite)
{
    (void)ssl;
    (void)hint;
    *suite = suite_name;
    snprintf(identity, identity_size, "sensor-1");
    assert_true(key_size >= 16);
    memset(key, 'x', 16);
    return 16;
}

static const char *const others[] = {"TLS13-AES256-GCM-SHA384", "TLS13-CHACHA20-POLY1305-SHA256"};

/* A client that names an identity whose key it does not have, with suites that no key is used with,
 * so that the server falls back to its certificate. */
static void open_claimant(struct tls_guest *client, const char *suite)
{
    tls_client_open(client, WOLFSSL_TLSV1_3);
    suite_name = suite;
    wolfSSL_set_psk_client_tls13_callback(client->ssl, claim);
    assert_int_equal(wolfSSL_set_cipher_list(client->ssl, suite), WOLFSSL_SUCCESS);
}

static void a_name_without_its_key_is_nobody(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        struct tls_guest client;
        stage_open(stack_find("tls"), server_with_both);
        open_claimant(&client, others[i]);
        assert_true(tls_client_shake(&client));
        tls_client_echo(&client, 10);
        assert_null(peer_identity(stage.peers[0]));
        assert_int_equal(tls_counts(stage.listener).by_key, 0);
        tls_client_close(&client);
        stage_close();
    }
}

static void a_name_without_its_key_is_not_let_in_for_a_certificate(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        struct tls_guest client;
        stage_open(stack_find("tls"), server_that_wants_either);
        open_claimant(&client, others[i]);
        /* The client thinks that it is through; the server does not. */
        if (tls_client_shake(&client))
            tls_client_await_end(&client);
        assert_int_equal(tls_counts(stage.listener).done, 0);
        tls_client_close(&client);
        stage_close();
    }
}

static void a_certificate_beats_a_name(void **unused)
{
    (void)unused;
    struct tls_guest client;
    stage_open(stack_find("tls"), server_that_wants_either);
    open_claimant(&client, others[0]);
    tls_client_certificate(&client, "client");
    assert_true(tls_client_shake(&client));
    tls_client_echo(&client, 10);
    const struct identity *identity = peer_identity(stage.peers[0]);
    assert_non_null(identity);
    assert_false(slice_equal(identity_name(identity), SLICE("sensor-1")));
    assert_int_equal(tls_counts(stage.listener).by_certificate, 1);
    assert_int_equal(tls_counts(stage.listener).by_key, 0);
    tls_client_close(&client);
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
        cmocka_unit_test(a_name_without_its_key_is_nobody),
        cmocka_unit_test(a_name_without_its_key_is_not_let_in_for_a_certificate),
        cmocka_unit_test(a_certificate_beats_a_name),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
