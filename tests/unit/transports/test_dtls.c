/* Tests transports/dtls*.c over a wire in memory: what should work. */
#include "base/hash.h"
#include "dtls_wire.h"
#include "tls_pki.h"

#include "broker/auth.h"
#include <errno.h>

static const int versions[] = {WOLFSSL_DTLSV1_2, WOLFSSL_DTLSV1_3};

static void content_passes_in_both_versions(void **unused)
{
    (void)unused;
    wire_open(NULL);
    for (int i = 0; i < 2; i++) {
        struct endpoint at = wire_endpoint(1, (uint16_t)(1000 + i));
        struct guest *guest = guest_new(versions[i], at);
        assert_true(guest_shake(guest, 100));
        guest_expect_echo(guest, "hello");
        guest_expect_echo(guest, "again");
        struct wire_peer *peer = wire_peer_at(at);
        assert_non_null(peer);
        assert_null(peer->identity);
        assert_int_equal(wire_say(peer, "from here"), 0);
        wire_flush();
        assert_int_equal(guest->plain, 3);
    }
    assert_int_equal(wire_counts().done, 2);
    assert_int_equal(wire_counts().version_12, 1);
    assert_int_equal(wire_counts().version_13, 1);
    wire_close();
}

/* ---- who is who ---- */

static void mutual(struct tls_settings *settings)
{
    settings->ca = pki_path("ca.pem");
    settings->client_certificate = TLS_CLIENT_REQUIRED;
}

static void by_key(struct tls_settings *settings)
{
    settings->psk_file = pki_path("keys.psk");
}

static void by_either(struct tls_settings *settings)
{
    mutual(settings);
    by_key(settings);
}

static void a_certificate_proves_a_name(void **unused)
{
    (void)unused;
    wire_open(mutual);
    for (int i = 0; i < 2; i++) {
        struct endpoint at = wire_endpoint(1, (uint16_t)(1000 + i));
        struct guest *guest = guest_new(versions[i], at);
        guest_certificate(guest, "client");
        assert_true(guest_shake(guest, 100));
        guest_expect_echo(guest, "hello");
        struct wire_peer *peer = wire_peer_at(at);
        assert_non_null(peer->identity);
        assert_true(dtls_layer.entitled((struct peer *)peer, peer->state));
    }
    assert_int_equal(wire_counts().by_certificate, 2);
    wire_close();
}

static void by_common_name(struct tls_settings *settings)
{
    mutual(settings);
    settings->identity = TLS_IDENTITY_CN;
}

static void by_fingerprint(struct tls_settings *settings)
{
    mutual(settings);
    settings->identity = TLS_IDENTITY_FINGERPRINT;
}

/* Both names are in the certificate, and differ. */
static void the_listener_says_which_name_of_a_certificate_counts(void **unused)
{
    static const struct {
        void (*change)(struct tls_settings *settings);
        size_t len;
        const char *name;
    } kinds[] = {
        {mutual, 8, "sensor-7"}, {by_common_name, 6, "client"}, {by_fingerprint, 64, NULL}};
    (void)unused;
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        wire_open(kinds[k].change);
        for (int i = 0; i < 2; i++) {
            struct endpoint at = wire_endpoint(1, (uint16_t)(1000 + i));
            struct guest *guest = guest_new(versions[i], at);
            guest_certificate(guest, "client");
            assert_true(guest_shake(guest, 100));
            struct slice name = identity_name(wire_peer_at(at)->identity);
            assert_int_equal(name.len, kinds[k].len);
            if (kinds[k].name)
                assert_memory_equal(name.at, kinds[k].name, name.len);
            assert_true(
                slice_equal(identity_common_name(wire_peer_at(at)->identity), SLICE("client")));
        }
        wire_close();
    }
}

static void bad_certificates_are_refused(void **unused)
{
    (void)unused;
    static const char *const names[] = {NULL, "expired", "foreign", "for-servers", "nameless"};
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        wire_open(mutual);
        for (int i = 0; i < 2; i++) {
            struct guest *guest = guest_new(versions[i], wire_endpoint(1, (uint16_t)(1000 + i)));
            if (names[n])
                guest_certificate(guest, names[n]);
            guest_shake(guest, 20000);
            wire_flush();
        }
        assert_int_equal(wire_counts().done, 0);
        assert_int_equal(wire_counts().failed[TLS_FAILED_CERTIFICATE], 2);
        wire_close();
    }
}

static void a_key_proves_an_identity(void **unused)
{
    (void)unused;
    wire_open(by_key);
    for (int i = 0; i < 2; i++) {
        struct endpoint at = wire_endpoint(1, (uint16_t)(1000 + i));
        struct guest *guest = guest_new(versions[i], at);
        guest_key(guest, "sensor-1", pki_psk, sizeof(pki_psk));
        assert_true(guest_shake(guest, 100));
        guest_expect_echo(guest, "hello");
        const struct identity *identity = wire_peer_at(at)->identity;
        assert_non_null(identity);
        assert_true(slice_equal(identity_name(identity), SLICE("sensor-1")));
    }
    assert_int_equal(wire_counts().by_key, 2);
    wire_close();
}

/* What a guest with a wrong key gets to see: how much, how often, and how it ends. */
struct seen {
    uint64_t bytes;
    unsigned answers, alert;
    int error;
};

static struct seen try_key(int version, const char *identity)
{
    static const unsigned char wrong[16] = "sixteen is magic";
    wire_open(by_key);
    struct guest *guest = guest_new(version, wire_endpoint(1, 1000));
    guest_key(guest, identity, wrong, sizeof(wrong));
    assert_false(guest_shake(guest, 20000));
    struct seen seen = {.bytes = wire.bytes_out,
                        .answers = wire.answers,
                        .alert = (unsigned)guest->alert,
                        .error = guest->error};
    assert_int_equal(wire_counts().done, 0);
    wire_close();
    return seen;
}

static void nobody_learns_which_identities_exist(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        struct seen known = try_key(versions[i], "sensor-1");
        struct seen unknown = try_key(versions[i], "sensor-2");
        assert_int_equal(known.bytes, unknown.bytes);
        assert_int_equal(known.answers, unknown.answers);
        assert_int_equal(known.alert, unknown.alert);
        assert_int_equal(known.error, unknown.error);
    }
}

static unsigned claim(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_size,
                      unsigned char *key, unsigned key_size, const char **suite)
{
    (void)ssl;
    (void)hint;
    *suite = "TLS13-AES256-GCM-SHA384";
    snprintf(identity, identity_size, "sensor-1");
    assert_true(key_size >= 16);
    memset(key, 'x', 16);
    return 16;
}

static void a_name_without_its_key_is_nobody(void **unused)
{
    (void)unused;
    void (*const servers[])(struct tls_settings *) = {by_key, by_either};
    for (int i = 0; i < 2; i++) {
        struct endpoint at = wire_endpoint(1, 1000);
        wire_open(servers[i]);
        struct guest *guest = guest_new(WOLFSSL_DTLSV1_3, at);
        wolfSSL_set_psk_client_tls13_callback(guest->ssl, claim);
        wolfSSL_set_cipher_list(guest->ssl, "TLS13-AES256-GCM-SHA384");
        guest_shake(guest, 1000);
        if (wire_peer_at(at))
            assert_null(wire_peer_at(at)->identity);
        assert_int_equal(wire_counts().by_key, 0);
        assert_int_equal(wire_counts().done, i == 0);
        wire_close();
    }
}

static void a_revoked_key_no_longer_entitles(void **unused)
{
    (void)unused;
    struct endpoint at = wire_endpoint(1, 1000);
    wire_open(by_key);
    struct guest *guest = guest_new(WOLFSSL_DTLSV1_3, at);
    guest_key(guest, "sensor-1", pki_psk, sizeof(pki_psk));
    assert_true(guest_shake(guest, 100));
    struct wire_peer *peer = wire_peer_at(at);
    assert_true(dtls_layer.entitled((struct peer *)peer, peer->state));
    char why[512];
    void *fresh = NULL;
    wire.settings.tls.psk_file = NULL;
    assert_int_equal(dtls_layer.share(&wire.settings, &fresh, why, sizeof(why)), 0);
    dtls_layer.adopt(wire.home, fresh);
    assert_false(dtls_layer.entitled((struct peer *)peer, peer->state));
    guest_expect_echo(guest, "the session goes on until it is judged");
    wire_close();
}

static void no_extended_master_secret_no_dtls_12(void **unused)
{
    (void)unused;
    wire_open(NULL);
    struct guest *guest = guest_new(WOLFSSL_DTLSV1_2, wire_endpoint(1, 1000));
    assert_int_equal(wolfSSL_DisableExtendedMasterSecret(guest->ssl), WOLFSSL_SUCCESS);
    assert_false(guest_shake(guest, 100));
    assert_int_equal(guest->alert, 40); /* handshake_failure */
    assert_int_equal(wire_counts().failed[TLS_FAILED_PARAMETERS], 1);
    assert_int_equal(wire_counts().half_open, 0);
    wire_close();
}

/* ---- tickets ---- */

static WOLFSSL_SESSION *session_of(int version)
{
    struct guest *guest = guest_new(version, wire_endpoint(1, 1000));
    assert_true(guest_shake(guest, 100));
    guest_expect_echo(guest, "hello");
    WOLFSSL_SESSION *session = wolfSSL_get1_session(guest->ssl);
    assert_non_null(session);
    guest_free(guest);
    return session;
}

static void tickets_resume_where_they_were_issued(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
            wire_open(NULL);
            WOLFSSL_SESSION *session = session_of(versions[i]);
            if (elsewhere) {
                wire_close();
                wire_open(NULL);
            }
            struct guest *guest = guest_new(versions[i], wire_endpoint(1, 1001));
            assert_int_equal(wolfSSL_set_session(guest->ssl, session), WOLFSSL_SUCCESS);
            assert_true(guest_shake(guest, 100));
            guest_expect_echo(guest, "hello");
            assert_int_equal(wolfSSL_session_reused(guest->ssl), !elsewhere);
            assert_int_equal(wire_counts().resumed, !elsewhere);
            /* a cookie was asked for all the same */
            assert_int_equal(wire.answers, wire.admissions);
            wolfSSL_SESSION_free(session);
            wire_close();
        }
    }
}

static void whoever_has_proven_something_gets_no_ticket(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(by_key);
        struct guest *first = guest_new(versions[i], wire_endpoint(1, 1000));
        guest_key(first, "sensor-1", pki_psk, sizeof(pki_psk));
        assert_true(guest_shake(first, 100));
        guest_expect_echo(first, "hello");
        WOLFSSL_SESSION *session = wolfSSL_get1_session(first->ssl);
        struct guest *second = guest_new(versions[i], wire_endpoint(1, 1001));
        guest_key(second, "sensor-1", pki_psk, sizeof(pki_psk));
        if (session)
            wolfSSL_set_session(second->ssl, session);
        assert_true(guest_shake(second, 5000));
        assert_int_equal(wire_counts().resumed, 0);
        assert_non_null(wire_peer_at(second->at)->identity);
        wolfSSL_SESSION_free(session);
        wire_close();
    }
}

/* ---- bad wires ---- */

static void hybrid(struct tls_settings *settings)
{
    settings->groups = (char *)"X25519MLKEM768,X25519,P-256";
    settings->handshake_timeout = 300000;
}

static unsigned server_mtu;

static void narrow(struct tls_settings *settings)
{
    hybrid(settings);
    mutual(settings);
    settings->mtu = server_mtu;
}

static void name_groups(struct guest *guest, bool with_hybrid)
{
    int offered[] = {WOLFSSL_ECC_X25519, WOLFSSL_X25519MLKEM768};
    assert_int_equal(wolfSSL_set_groups(guest->ssl, offered, with_hybrid ? 2 : 1), WOLFSSL_SUCCESS);
    assert_int_equal(wolfSSL_UseKeyShare(guest->ssl, WOLFSSL_ECC_X25519), WOLFSSL_SUCCESS);
}

/* X25519MLKEM768 needs a second ClientHello of several fragments. */
static void the_post_quantum_group_is_asked_for(void **unused)
{
    (void)unused;
    for (int with = 0; with < 2; with++) {
        wire_open(hybrid);
        struct guest *guest = guest_new(WOLFSSL_DTLSV1_3, wire_endpoint(1, 1000));
        name_groups(guest, with);
        wolfSSL_dtls_set_mtu(guest->ssl, 800);
        assert_true(guest_shake(guest, 100));
        guest_expect_echo(guest, "hello");
        assert_string_equal(wolfSSL_get_curve_name(guest->ssl), with ? "X25519MLKEM768" : "X25519");
        wire_close();
    }
}

static void handshakes_end_well_on_bad_wires(void **unused)
{
    (void)unused;
    static const unsigned mtus[] = {576, 1280};
    unsigned runs = 0;
    for (int version = 0; version < 2; version++) {
        for (int m = 0; m < 2; m++) {
            for (uint64_t seed = 1; seed <= 25; seed++) {
                server_mtu = mtus[m];
                wire_open(narrow);
                wire.seed = seed * 7919;
                wire.lose = 15;
                wire.repeat = 10;
                wire.reorder = 20;
                struct guest *guest = guest_new(versions[version], wire_endpoint(1, 1000));
                guest_certificate(guest, "client");
                wolfSSL_dtls_set_mtu(guest->ssl, (word16)mtus[m]);
                if (version == 1)
                    name_groups(guest, true);
                bool good = guest_shake(guest, 200000);
                if (!good)
                    print_message(
                        "version %d mtu %u seed %u: error %d at %u: %s\n", version, mtus[m],
                        (unsigned)seed, guest->error, (unsigned)(wire.now_ms - 1000000),
                        wire_peer_at(guest->at) ? wire_peer_at(guest->at)->why : "no peer");
                assert_true(good);
                assert_true(wire.longest <= mtus[m]);
                wire.lose = wire.repeat = wire.reorder = 0;
                wire_pass(2000);
                struct wire_peer *peer = wire_peer_at(guest->at);
                if (version == 0 && (!peer || !((struct dtls *)peer->state)->done))
                    wire_pass(100000);
                guest_expect_echo(guest, "hello");
                assert_non_null(wire_peer_at(guest->at)->identity);
                wire_close();
                runs++;
            }
        }
    }
    assert_int_equal(runs, 100);
}

/* Counts the pieces of second ClientHellos. */
static unsigned pieces;

static bool count_pieces(bool to_server, struct slice datagram)
{
    enum { HANDSHAKE = 22, KIND_AT = 13, CLIENT_HELLO = 1, NUMBER_AT = 18 };
    pieces += to_server && datagram.at[0] == HANDSHAKE && datagram.at[KIND_AT] == CLIENT_HELLO &&
              datagram.at[NUMBER_AT] == 1;
    return true;
}

/* A wolfSSL client reads no more than its MTU and 500 bytes, and a narrow path may carry less. */
static void shake_hands_on_a_narrow_path(unsigned mtu, uint64_t seed)
{
    wire_open(hybrid);
    wire.seed = seed * 7919;
    wire.judge = count_pieces;
    wire.lose = wire.repeat = wire.reorder = seed ? 15 : 0;
    pieces = 0;
    struct guest *guest = guest_new(WOLFSSL_DTLSV1_3, wire_endpoint(1, 1000));
    name_groups(guest, true);
    wolfSSL_dtls_set_mtu(guest->ssl, (word16)mtu);
    if (!guest_shake(guest, seed ? 200000 : 100))
        fail_msg("mtu %u seed %u: error %d", mtu, (unsigned)seed, guest->error);
    assert_string_equal(wolfSSL_get_curve_name(guest->ssl), "X25519MLKEM768");
    assert_true(pieces >= (mtu < 700 ? 3 : 2));
    assert_true(wire.longest <= mtu);
    wire.lose = wire.repeat = wire.reorder = 0;
    wire_pass(2000);
    guest_expect_echo(guest, "hello");
}

static void a_handshake_takes_the_size_of_a_fragmented_hello(void **unused)
{
    (void)unused;
    static const unsigned mtus[] = {256, 400, 576, 600, 650, 700, 900, 1000, 1200};
    for (size_t m = 0; m < sizeof(mtus) / sizeof(mtus[0]); m++) {
        for (uint64_t seed = 0; seed <= 10; seed++) {
            shake_hands_on_a_narrow_path(mtus[m], seed);
            wire_close();
        }
    }
}

static void content_is_as_long_as_the_listener_allows(void **unused)
{
    (void)unused;
    char text[1100];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    shake_hands_on_a_narrow_path(650, 0);
    struct wire_peer *peer = wire_peer_at(wire_endpoint(1, 1000));
    assert_in_range(dtls_layer.room((struct peer *)peer, peer->state, 65507), 1100, 1232);
    struct guest *guest = wire.guests[0];
    unsigned before = guest->plain;
    assert_int_equal(wire_say(peer, text), 0);
    wire_flush();
    assert_int_equal(guest->plain, before + 1);
    assert_int_equal(guest->last_len, sizeof(text) - 1);
    wire_close();
}

static void a_long_datagram_is_received_whatever_our_mtu(void **unused)
{
    (void)unused;
    server_mtu = 576;
    wire_open(narrow);
    wire.settings.tls.client_certificate = TLS_CLIENT_NONE;
    wire.echo = false;
    for (int i = 0; i < 2; i++) {
        char text[1400];
        struct guest *guest = guest_new(versions[i], wire_endpoint(1, (uint16_t)(1000 + i)));
        guest_certificate(guest, "client");
        wolfSSL_dtls_set_mtu(guest->ssl, 1452);
        assert_true(guest_shake(guest, 100));
        memset(text, 'x', sizeof(text));
        assert_int_equal(wolfSSL_write(guest->ssl, text, sizeof(text)), sizeof(text));
        wire_flush();
        struct wire_peer *peer = wire_peer_at(guest->at);
        assert_int_equal(peer->plain, 1);
        size_t room = dtls_layer.room((struct peer *)peer, peer->state, 65507);
        assert_in_range(room, 500, 576);
        text[room] = '\0';
        assert_int_equal(wire_say(peer, text), 0);
        wire_flush();
        assert_int_equal(guest->plain, 1);
        assert_int_equal(guest->last_len, room);
        char more[1400];
        memset(more, 'y', sizeof(more) - 1);
        more[sizeof(more) - 1] = '\0';
        assert_int_equal(wire_say(peer, more), -EMSGSIZE);
        assert_false(peer->closing);
        assert_true(wire.longest <= 576);
    }
    wire_close();
}

/* ---- keys ---- */

static void restless(struct tls_settings *settings)
{
    settings->rekey_messages = 5;
}

static void keys_are_renewed(void **unused)
{
    (void)unused;
    wire_open(restless);
    struct guest *guest = guest_new(WOLFSSL_DTLSV1_3, wire_endpoint(1, 1000));
    assert_true(guest_shake(guest, 100));
    for (int i = 0; i < 60; i++)
        guest_expect_echo(guest, "hello");
    assert_in_range(wire_counts().rekeyed, 8, 12);
    wire.lose = 20;
    wire.seed = 3;
    for (int i = 0; i < 60; i++) {
        guest_send(guest, "some of it is lost");
        wire_pass(700);
    }
    wire.lose = 0;
    wire_pass(70000);
    guest_expect_echo(guest, "still there");
    wire_close();
}

/* ---- datagrams ---- */

/* What the listener has sent: datagrams, records, and the most records in one of them. */
static struct {
    unsigned datagrams, records, most;
    bool deaf; /* all but cookies is lost */
} flights;

static bool count_records(bool to_server, struct slice datagram)
{
    struct slice rest = datagram, record;
    unsigned records = 0;
    if (to_server)
        return true;
    while (dtls_record_take(&rest, &record))
        records++;
    assert_int_equal(rest.len, 0);
    flights.datagrams++;
    flights.records += records;
    if (records > flights.most)
        flights.most = records;
    return !flights.deaf || dtls_record_asks_cookie(datagram);
}

static void a_flight_leaves_in_one_datagram(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        memset(&flights, 0, sizeof(flights));
        wire.judge = count_records;
        struct guest *guest = guest_new(versions[i], wire_endpoint(1, 1000));
        assert_true(guest_shake(guest, 100));
        /* a cookie, the flight, and the last word of the handshake */
        assert_in_range(flights.datagrams, 3, 4);
        assert_in_range(flights.records, 7, 9);
        assert_in_range(flights.most, 4, 5);
        guest_expect_echo(guest, "hello");
        wire_close();
    }
}

static void what_is_repeated_leaves_alone(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        memset(&flights, 0, sizeof(flights));
        flights.deaf = true;
        wire.judge = count_records;
        struct guest *guest = guest_new(versions[i], wire_endpoint(1, 1000));
        assert_false(guest_shake(guest, 1));
        assert_in_range(flights.most, 4, 5); /* records of the flight, which is lost */
        unsigned flight = flights.most, before = flights.records;
        flights.most = 0;
        wire_pass(1500);
        assert_int_equal(flights.most, 1);
        assert_true(flights.records - before >= flight);
        flights.deaf = false;
        assert_true(guest_shake(guest, 5000));
        wire_close();
    }
}

/* ---- the end ---- */

static void a_goodbye_is_heard_and_said(void **unused)
{
    (void)unused;
    wire_open(NULL);
    for (int i = 0; i < 2; i++) {
        struct guest *guest = guest_new(versions[i], wire_endpoint(1, (uint16_t)(1000 + i)));
        assert_true(guest_shake(guest, 100));
        guest_expect_echo(guest, "hello");
        wolfSSL_shutdown(guest->ssl);
        wire_flush();
        assert_null(wire_peer_at(guest->at));
    }
    wire_close();
}

static bool until_it_is_admitted(bool to_server, struct slice datagram)
{
    (void)datagram;
    return to_server || wire.admissions == 0;
}

static void a_handshake_that_hangs_ends(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        struct guest *guest = guest_new(versions[i], wire_endpoint(1, 1000));
        wire.judge = until_it_is_admitted;
        assert_false(guest_shake(guest, 1));
        assert_int_equal(wire_counts().half_open, 1);
        guest_free(guest);
        wire_pass(16000);
        assert_null(wire_peer_at(wire_endpoint(1, 1000)));
        assert_int_equal(wire_counts().half_open, 0);
        assert_int_equal(wire_counts().failed[TLS_FAILED_TIMEOUT], 1);
        wire_close();
    }
}

int main(void)
{
    hash_start(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_passes_in_both_versions),
        cmocka_unit_test(a_certificate_proves_a_name),
        cmocka_unit_test(the_listener_says_which_name_of_a_certificate_counts),
        cmocka_unit_test(bad_certificates_are_refused),
        cmocka_unit_test(a_key_proves_an_identity),
        cmocka_unit_test(nobody_learns_which_identities_exist),
        cmocka_unit_test(a_name_without_its_key_is_nobody),
        cmocka_unit_test(a_revoked_key_no_longer_entitles),
        cmocka_unit_test(no_extended_master_secret_no_dtls_12),
        cmocka_unit_test(tickets_resume_where_they_were_issued),
        cmocka_unit_test(whoever_has_proven_something_gets_no_ticket),
        cmocka_unit_test(the_post_quantum_group_is_asked_for),
        cmocka_unit_test(handshakes_end_well_on_bad_wires),
        cmocka_unit_test(a_handshake_takes_the_size_of_a_fragmented_hello),
        cmocka_unit_test(content_is_as_long_as_the_listener_allows),
        cmocka_unit_test(a_long_datagram_is_received_whatever_our_mtu),
        cmocka_unit_test(keys_are_renewed),
        cmocka_unit_test(a_flight_leaves_in_one_datagram),
        cmocka_unit_test(what_is_repeated_leaves_alone),
        cmocka_unit_test(a_goodbye_is_heard_and_said),
        cmocka_unit_test(a_handshake_that_hangs_ends),
    };
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
