/* Tests transports/tls_proof.c: nobody is who he only says he is. A pre-shared key proves an
 * identity when the handshake was made with it, not when its name was mentioned. */
#include "tls_client.h"
#include "tls_pki.h"

#include "base/hash.h"
#include "broker/auth.h"
#include <stdio.h>

static const int versions[] = {WOLFSSL_TLSV1_2, WOLFSSL_TLSV1_3};

static void optional_server(struct listener_settings *settings)
{
    tls_mutual_server(settings);
    settings->tls.client_certificate = TLS_CLIENT_OPTIONAL;
}

static void key_or_certificate_server(struct listener_settings *settings)
{
    tls_mutual_server(settings);
    settings->tls.psk_file = pki_path("keys.psk");
}

static bool proves(const char *name)
{
    const struct identity *identity = peer_identity(stage.peers[stage.opened - 1]);
    return identity && slice_equal(identity_name(identity), slice_of_str(name));
}

static void a_certificate_proves_a_name(void **unused)
{
    (void)unused;
    tls_stage_open(tls_mutual_server);
    for (int i = 0; i < 2; i++) {
        struct tls_guest client;
        tls_client_open(&client, versions[i]);
        tls_client_certificate(&client, "client");
        tls_client_enter(&client);
        assert_true(proves("sensor-7"));
        tls_client_close(&client);
    }
    assert_int_equal(tls_stage_counts().by_certificate, 2);
    stage_close();
}

/* A ticket would let somebody in without the certificate being looked at again. */
static void whoever_has_shown_a_certificate_shows_it_each_time(void **unused)
{
    (void)unused;
    tls_stage_open(tls_mutual_server);
    for (int i = 0; i < 2; i++) {
        struct tls_guest client;
        tls_client_open(&client, versions[i]);
        tls_client_certificate(&client, "client");
        tls_client_enter(&client);
        WOLFSSL_SESSION *session = wolfSSL_get1_session(client.ssl);
        tls_client_close(&client);
        tls_client_open(&client, versions[i]);
        wolfSSL_set_session(client.ssl, session);
        assert_false(tls_client_shake(&client) && wolfSSL_session_reused(client.ssl));
        tls_client_close(&client);
        wolfSSL_SESSION_free(session);
    }
    assert_int_equal(tls_stage_counts().resumed, 0);
    stage_close();
}

static void bad_certificates_are_refused(void **unused)
{
    (void)unused;
    static const char *const names[] = {NULL, "expired", "foreign", "for-servers", "nameless"};
    void (*const servers[])(struct listener_settings *) = {tls_mutual_server, optional_server,
                                                           key_or_certificate_server};
    for (int server = 0; server < 3; server++) {
        tls_stage_open(servers[server]);
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
                assert_int_equal(tls_stage_counts().failed[TLS_FAILED_CERTIFICATE], refused);
                if (names[n] && strcmp(names[n], "expired") == 0)
                    assert_non_null(strstr(stage.why, "certificate of CN=expired expired "));
            }
        }
        assert_int_equal(stage.packets, tls_stage_counts().done);
        stage_close();
    }
}

static void a_key_proves_an_identity(void **unused)
{
    (void)unused;
    tls_stage_open(tls_key_server);
    for (int i = 0; i < 2; i++) {
        struct tls_guest client;
        tls_client_open(&client, versions[i]);
        tls_client_key(&client, "sensor-1", pki_psk, sizeof(pki_psk));
        tls_client_enter(&client);
        assert_true(proves("sensor-1"));
        tls_client_close(&client);
    }
    assert_int_equal(tls_stage_counts().by_key, 2);
    stage_close();
}

static void nobody_learns_which_identities_exist(void **unused)
{
    (void)unused;
    tls_stage_open(tls_key_server);
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
    assert_int_equal(tls_stage_counts().failed[TLS_FAILED_KEY], 4);
    assert_int_equal(tls_stage_counts().done, 0);
    stage_close();
}

/* ---- a name without its key ---- */

static void server_with_both(struct listener_settings *settings)
{
    tls_key_server(settings);
    settings->tls.groups = (char *)"X25519,P-256";
}

static void server_that_wants_either(struct listener_settings *settings)
{
    key_or_certificate_server(settings);
    settings->tls.groups = (char *)"X25519,P-256";
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
        tls_stage_open(server_with_both);
        open_claimant(&client, others[i]);
        tls_client_enter(&client);
        assert_null(peer_identity(stage.peers[0]));
        assert_int_equal(tls_stage_counts().by_key, 0);
        tls_client_close(&client);
        stage_close();
    }
}

static void a_name_without_its_key_is_not_let_in_for_a_certificate(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        struct tls_guest client;
        tls_stage_open(server_that_wants_either);
        open_claimant(&client, others[i]);
        /* The client thinks that it is through; the server does not. */
        if (tls_client_shake(&client))
            tls_client_await_end(&client);
        assert_int_equal(tls_stage_counts().done, 0);
        tls_client_close(&client);
        stage_close();
    }
}

static void a_certificate_beats_a_name(void **unused)
{
    (void)unused;
    struct tls_guest client;
    tls_stage_open(server_that_wants_either);
    open_claimant(&client, others[0]);
    tls_client_certificate(&client, "client");
    tls_client_enter(&client);
    const struct identity *identity = peer_identity(stage.peers[0]);
    assert_non_null(identity);
    assert_false(slice_equal(identity_name(identity), SLICE("sensor-1")));
    assert_int_equal(tls_stage_counts().by_certificate, 1);
    assert_int_equal(tls_stage_counts().by_key, 0);
    tls_client_close(&client);
    stage_close();
}

int main(void)
{
    hash_start(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_proves_a_name),
        cmocka_unit_test(whoever_has_shown_a_certificate_shows_it_each_time),
        cmocka_unit_test(bad_certificates_are_refused),
        cmocka_unit_test(a_key_proves_an_identity),
        cmocka_unit_test(nobody_learns_which_identities_exist),
        cmocka_unit_test(a_name_without_its_key_is_nobody),
        cmocka_unit_test(a_name_without_its_key_is_not_let_in_for_a_certificate),
        cmocka_unit_test(a_certificate_beats_a_name),
    };
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
