/* tls_client: see tls_client.h. */
#include "tls_client.h"

#include "tls_pki.h"
#include <fcntl.h>

void tls_stage_open(void (*change)(struct listener_settings *settings))
{
    stage_open(stack_find("tls"), change);
}

struct tls_counts tls_stage_counts(void)
{
    return tls_counts(stage.listener);
}

void tls_mutual_server(struct listener_settings *settings)
{
    pki_server(settings);
    settings->tls.ca = pki_path("ca.pem");
    settings->tls.client_certificate = TLS_CLIENT_REQUIRED;
}

void tls_key_server(struct listener_settings *settings)
{
    pki_server(settings);
    settings->tls.psk_file = pki_path("keys.psk");
}

void tls_client_open(struct tls_guest *client, int version)
{
    memset(client, 0, sizeof(*client));
    client->alert = -1;
    client->profile = wolfSSL_CTX_new(version == WOLFSSL_TLSV1_3 ? wolfTLSv1_3_client_method()
                                                                 : wolfTLSv1_2_client_method());
    assert_non_null(client->profile);
    assert_int_equal(wolfSSL_CTX_load_verify_locations(client->profile, pki_path("ca.pem"), NULL),
                     WOLFSSL_SUCCESS);
    wolfSSL_CTX_UseSessionTicket(client->profile);
    client->ssl = wolfSSL_new(client->profile);
    assert_non_null(client->ssl);
    client->fd = client_connect(0);
    fcntl(client->fd, F_SETFL, fcntl(client->fd, F_GETFL) | O_NONBLOCK);
    wolfSSL_set_fd(client->ssl, client->fd);
}

void tls_client_certificate(struct tls_guest *client, const char *name)
{
    pki_show_certificate(client->ssl, name);
}

void tls_client_key(struct tls_guest *client, const char *identity, const void *key, unsigned len)
{
    pki_offer_key(client->ssl, identity, key, len);
}

static void note_alert(struct tls_guest *client)
{
    WOLFSSL_ALERT_HISTORY history;
    if (wolfSSL_get_alert_history(client->ssl, &history) == WOLFSSL_SUCCESS &&
        history.last_rx.level > 0)
        client->alert = history.last_rx.code;
}

bool tls_client_shake(struct tls_guest *client)
{
    uint64_t begin = uv_hrtime();
    int ret;
    while ((ret = wolfSSL_connect(client->ssl)) != WOLFSSL_SUCCESS) {
        client->error = wolfSSL_get_error(client->ssl, ret);
        if (client->error != WOLFSSL_ERROR_WANT_READ && client->error != WOLFSSL_ERROR_WANT_WRITE) {
            note_alert(client);
            return false;
        }
        if (uv_hrtime() - begin > UINT64_C(10000000000))
            fail_msg("the handshake does not end");
        loop_step(stage.loop, false);
    }
    client->error = 0;
    return true;
}

/* One read; what it returns, 0 when there is nothing yet, -1 at the end. */
static int read_some(struct tls_guest *client, void *to, size_t len)
{
    int got = wolfSSL_read(client->ssl, to, (int)len);
    if (got > 0)
        return got;
    int error = wolfSSL_get_error(client->ssl, got);
    loop_step(stage.loop, false);
    if (error == WOLFSSL_ERROR_WANT_READ)
        return 0;
    note_alert(client);
    return -1;
}

void tls_client_echo(struct tls_guest *client, uint32_t len)
{
    uint8_t *frame = frame_new(ORDER_ECHO, len), *got = malloc(FRAME_HEADER + len);
    size_t size = FRAME_HEADER + len, sent = 0, have = 0;
    uint64_t begin = uv_hrtime();
    while (have < size) {
        if (sent < size) {
            int part = size - sent < 16000 ? (int)(size - sent) : 16000;
            int done = wolfSSL_write(client->ssl, frame + sent, part);
            sent += done > 0 ? (size_t)done : 0;
        }
        int n = read_some(client, got + have, size - have);
        assert_true(n >= 0);
        have += (size_t)n;
        if (uv_hrtime() - begin > UINT64_C(20000000000))
            fail_msg("%zu of %zu bytes came back", have, size);
    }
    assert_memory_equal(got, frame, size);
    free(frame);
    free(got);
}

void tls_client_enter(struct tls_guest *client)
{
    assert_true(tls_client_shake(client));
    tls_client_echo(client, 10);
}

void tls_client_await_end(struct tls_guest *client)
{
    char rest[1024];
    uint64_t begin = uv_hrtime();
    while (read_some(client, rest, sizeof(rest)) >= 0)
        if (uv_hrtime() - begin > UINT64_C(10000000000))
            fail_msg("the connection does not end");
}

void tls_client_close(struct tls_guest *client)
{
    wolfSSL_free(client->ssl);
    wolfSSL_CTX_free(client->profile);
    close(client->fd);
    until(stage.stats.sockets == 0);
}
