/* Tests transports/dtls*.c on real sockets, with wolfSSL's client at the other end: what the wire
 * in memory cannot show. */
#include "base/hash.h"
#include "datagram_stage.h"
#include "tls_pki.h"

#include "transports/tls.h"
#include "transports/tls_wolfssl.h"
#include <fcntl.h>

static const int versions[] = {WOLFSSL_DTLSV1_2, WOLFSSL_DTLSV1_3};

struct client {
    WOLFSSL_CTX *profile;
    WOLFSSL *ssl;
    int fd;
};

static int take(WOLFSSL *ssl, char *to, int size, void *owner)
{
    ssize_t got = recv(((struct client *)owner)->fd, to, (size_t)size, MSG_DONTWAIT);
    (void)ssl;
    return got > 0 ? (int)got : WOLFSSL_CBIO_ERR_WANT_READ;
}

static int give(WOLFSSL *ssl, char *bytes, int size, void *owner)
{
    (void)ssl;
    assert_int_equal(send(((struct client *)owner)->fd, bytes, (size_t)size, 0), size);
    return size;
}

static void client_begin(struct client *client, int version)
{
    client->fd = fisher_new();
    client->profile = wolfSSL_CTX_new(version == WOLFSSL_DTLSV1_3 ? wolfDTLSv1_3_client_method()
                                                                  : wolfDTLSv1_2_client_method());
    assert_non_null(client->profile);
    assert_int_equal(wolfSSL_CTX_load_verify_locations(client->profile, pki_path("ca.pem"), NULL),
                     WOLFSSL_SUCCESS);
    wolfSSL_CTX_SetIORecv(client->profile, take);
    wolfSSL_CTX_SetIOSend(client->profile, give);
    client->ssl = wolfSSL_new(client->profile);
    assert_non_null(client->ssl);
    wolfSSL_SetIOReadCtx(client->ssl, client);
    wolfSSL_SetIOWriteCtx(client->ssl, client);
    wolfSSL_dtls_set_using_nonblock(client->ssl, 1);
    wolfSSL_dtls_set_mtu(client->ssl, 1232);
    assert_int_equal(wolfSSL_dtls_cid_use(client->ssl), WOLFSSL_SUCCESS);
}

static void client_shakes(struct client *client)
{
    until(wolfSSL_connect(client->ssl) == WOLFSSL_SUCCESS);
}

static void client_end(struct client *client)
{
    wolfSSL_free(client->ssl);
    wolfSSL_CTX_free(client->profile);
    close(client->fd);
}

static void expect_echo(struct client *client, const char *text)
{
    char got[200] = "";
    int len = (int)strlen(text);
    assert_int_equal(wolfSSL_write(client->ssl, text, len), len);
    until(wolfSSL_read(client->ssl, got, sizeof(got)) == len);
    assert_memory_equal(got, text, (size_t)len);
}

static void content_passes_and_peers_move(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        struct client client;
        pond_open(stack_find("dtls"), pki_server);
        client_begin(&client, versions[i]);
        client_shakes(&client);
        expect_echo(&client, "known");
        assert_int_equal(pond.known, 1);
        assert_true(peer_is_private(pond.last));
        assert_true(peer_is_verified(pond.last));
        struct peer *peer = pond.last;
        /* another port, as behind a NAT that has forgotten */
        close(client.fd);
        client.fd = fisher_new();
        expect_echo(&client, "known");
        expect_echo(&client, "known, too");
        expect_echo(&client, "known for sure");
        assert_ptr_equal(pond.last, peer);
        assert_int_equal(pond.opened, 1);
        struct tls_counts counts = tls_counts(pond.listener);
        assert_int_equal(counts.done, 1);
        assert_int_equal(counts.half_open, 0);
        client_end(&client);
        pond_close();
    }
}

static void a_goodbye_closes(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        struct client client;
        pond_open(stack_find("dtls"), pki_server);
        client_begin(&client, versions[i]);
        client_shakes(&client);
        expect_echo(&client, "known");
        wolfSSL_shutdown(client.ssl);
        until(pond.closed == 1);
        client_end(&client);
        pond_close();
    }
}

static void an_address_that_is_used_again_begins_anew(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        struct client old, fresh;
        pond_open(stack_find("dtls"), pki_server);
        client_begin(&old, versions[i]);
        client_shakes(&old);
        expect_echo(&old, "known");
        client_begin(&fresh, versions[i]);
        close(fresh.fd);
        fresh.fd = dup(old.fd);
        client_shakes(&fresh);
        expect_echo(&fresh, "known anew");
        assert_int_equal(pond.opened, 2);
        assert_int_equal(pond.closed, 1);
        client_end(&old);
        client_end(&fresh);
        pond_close();
    }
}

int main(void)
{
    hash_start(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_passes_and_peers_move),
        cmocka_unit_test(a_goodbye_closes),
        cmocka_unit_test(an_address_that_is_used_again_begins_anew),
    };
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
