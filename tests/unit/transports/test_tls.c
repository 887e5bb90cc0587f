/* Tests transports/tls.c on real sockets, with wolfSSL's client at the other end. */
#include "base/hash.h"
#include "tls_client.h"
#include "tls_pki.h"

#include "transports/keylog.h"
#include <fcntl.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/wait.h>

static const int versions[] = {WOLFSSL_TLSV1_2, WOLFSSL_TLSV1_3};

/* ---- what should work ---- */

static void content_passes_in_both_versions(void **unused)
{
    (void)unused;
    tls_stage_open(pki_server);
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
    assert_int_equal(tls_stage_counts().done, 2);
    assert_int_equal(tls_stage_counts().version_12, 1);
    assert_int_equal(tls_stage_counts().version_13, 1);
    assert_int_equal(tls_stage_counts().half_open, 0);
    stage_close();
}

static void the_post_quantum_group_is_preferred(void **unused)
{
    (void)unused;
    tls_stage_open(pki_server);
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
    tls_stage_open(pki_server);
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
    tls_stage_open(pki_server);
    struct tls_guest client;
    tls_client_open(&client, WOLFSSL_TLSV1_2);
    assert_int_equal(wolfSSL_DisableExtendedMasterSecret(client.ssl), WOLFSSL_SUCCESS);
    assert_false(tls_client_shake(&client));
    assert_int_equal(client.alert, 40); /* handshake_failure */
    assert_non_null(strstr(stage.why, "without the extended master secret"));
    assert_int_equal(tls_stage_counts().failed[TLS_FAILED_PARAMETERS], 1);
    tls_client_close(&client);
    assert_int_equal(tls_stage_counts().half_open, 0);
    stage_close();
}

static void tickets_resume(void **unused)
{
    (void)unused;
    tls_stage_open(pki_server);
    for (int i = 0; i < 2; i++) {
        struct tls_guest first, second;
        tls_client_open(&first, versions[i]);
        tls_client_enter(&first);
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
        assert_int_equal(tls_stage_counts().resumed, i + 1);
    }
    stage_close();
}

static void a_ticket_of_another_listener_is_worth_nothing(void **unused)
{
    (void)unused;
    struct tls_guest first, second;
    tls_stage_open(pki_server);
    tls_client_open(&first, WOLFSSL_TLSV1_3);
    tls_client_enter(&first);
    WOLFSSL_SESSION *session = wolfSSL_get1_session(first.ssl);
    tls_client_close(&first);
    stage_close();
    tls_stage_open(pki_server);
    tls_client_open(&second, WOLFSSL_TLSV1_3);
    wolfSSL_set_session(second.ssl, session);
    assert_true(tls_client_shake(&second));
    assert_false(wolfSSL_session_reused(second.ssl));
    tls_client_echo(&second, 10);
    tls_client_close(&second);
    assert_int_equal(tls_stage_counts().resumed, 0);
    wolfSSL_SESSION_free(session);
    stage_close();
}

static void the_application_protocol_is_agreed_or_refused(void **unused)
{
    (void)unused;
    tls_stage_open(pki_server);
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
    assert_int_equal(tls_stage_counts().failed[TLS_FAILED_PARAMETERS], 2);
    stage_close();
}

static void often_updated(struct listener_settings *settings)
{
    pki_server(settings);
    settings->tls.rekey_messages = 4;
}

static void keys_are_renewed(void **unused)
{
    (void)unused;
    tls_stage_open(often_updated);
    struct tls_guest client;
    tls_client_open(&client, WOLFSSL_TLSV1_3);
    assert_true(tls_client_shake(&client));
    for (int i = 0; i < 40; i++)
        tls_client_echo(&client, 100);
    assert_in_range(tls_stage_counts().rekeyed, 8, 12);
    tls_client_close(&client);
    stage_close();
}

static void small_pieces_leave_as_one_record(void **unused)
{
    (void)unused;
    tls_stage_open(pki_server);
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
    pki_server(settings);
    settings->tls.ticket_lifetime = 0;
}

/* Without a ticket the end of the handshake is answered by nothing, and a client with Nagle's
 * algorithm holds its first packet back until the kernel acknowledges: 40 ms later, if let be. */
static void the_first_packet_is_not_held_up(void **unused)
{
    (void)unused;
    uint64_t best_ns = UINT64_MAX;
    tls_stage_open(no_tickets);
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

/* ---- reload ---- */

static void new_credentials_are_for_new_handshakes(void **unused)
{
    (void)unused;
    struct tls_guest old, new;
    struct listener_settings settings = {.name = NULL};
    char why[700];
    tls_stage_open(pki_server);
    tls_client_open(&old, WOLFSSL_TLSV1_3);
    assert_true(tls_client_shake(&old));
    settings = stage.settings;
    tls_mutual_server(&settings);
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
    assert_int_equal(tls_stage_counts().failed[TLS_FAILED_CERTIFICATE], 1);
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
    tls_stage_open(pki_server);
    assert_int_equal(pipe2(go, O_NONBLOCK), 0);
    assert_int_equal(pipe(stop), 0);
    size_t before = mallinfo2().uordblks;
    pid_t child = fork();
    if (child == 0) {
        close(stop[1]);
        idle_clients(go[1], stop[0]);
    }
    until(read(go[0], &byte, 1) == 1);
    until(tls_stage_counts().done == IDLE && tls_stage_counts().half_open == 0);
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
    tls_stage_open(pki_server);
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
        cmocka_unit_test(new_credentials_are_for_new_handshakes),
        cmocka_unit_test(an_idle_connection_costs_little),
        cmocka_unit_test(secrets_are_written_only_when_asked_for),
    };
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
