/* tls_keylog: see keylog.h. The format is the one that NSS began and everybody reads: label,
 * client random, secret. */
#include "transports/tls_keylog.h"

#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RANDOM_SIZE = 32, SECRET_MAX = 64 };

static int keylog = -1;

int keylog_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0)
        return -errno;
    keylog_close();
    keylog = fd;
    log_line(LOG_WARNING, "siotd",
             "--tls-keylog: the secrets of ALL TLS connections are written to %s: whoever has that "
             "file can read everything",
             path);
    return 0;
}

void keylog_close(void)
{
    if (keylog >= 0)
        close(keylog);
    keylog = -1;
}

static size_t put_hex(char *to, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        to[2 * i] = digits[bytes[i] >> 4];
        to[2 * i + 1] = digits[bytes[i] & 15];
    }
    return 2 * len;
}

static void write_line(WOLFSSL *ssl, const char *label, const uint8_t *secret, size_t len)
{
    uint8_t random[RANDOM_SIZE];
    char line[64 + 2 * RANDOM_SIZE + 2 * SECRET_MAX];
    if (keylog < 0 || len > SECRET_MAX ||
        wolfSSL_get_client_random(ssl, random, sizeof(random)) != sizeof(random))
        return;
    size_t used = (size_t)snprintf(line, 64, "%s ", label);
    used += put_hex(line + used, random, sizeof(random));
    line[used++] = ' ';
    used += put_hex(line + used, secret, len);
    line[used++] = '\n';
    if (write(keylog, line, used) < 0)
        log_line(LOG_ERROR, "siotd", "--tls-keylog: %s", strerror(errno));
    explicit_bzero(line, sizeof(line));
}

static int on_secret(WOLFSSL *ssl, void *secret, int size, void *unused)
{
    (void)unused;
    write_line(ssl, "CLIENT_RANDOM", secret, (size_t)size);
    return 0;
}

static int on_secret_13(WOLFSSL *ssl, int id, const unsigned char *secret, int size, void *unused)
{
    static const char *const labels[] = {
        [CLIENT_EARLY_TRAFFIC_SECRET] = "CLIENT_EARLY_TRAFFIC_SECRET",
        [CLIENT_HANDSHAKE_TRAFFIC_SECRET] = "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        [SERVER_HANDSHAKE_TRAFFIC_SECRET] = "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        [CLIENT_TRAFFIC_SECRET] = "CLIENT_TRAFFIC_SECRET_0",
        [SERVER_TRAFFIC_SECRET] = "SERVER_TRAFFIC_SECRET_0",
        [EARLY_EXPORTER_SECRET] = "EARLY_EXPORTER_SECRET",
        [EXPORTER_SECRET] = "EXPORTER_SECRET",
    };
    (void)unused;
    if (id >= 0 && (size_t)id < sizeof(labels) / sizeof(labels[0]))
        write_line(ssl, labels[id], secret, (size_t)size);
    return 0;
}

void tls_keylog_watch(WOLFSSL *ssl)
{
    if (keylog < 0)
        return;
    wolfSSL_set_secret_cb(ssl, on_secret, NULL);
    wolfSSL_set_tls13_secret_cb(ssl, on_secret_13, NULL);
}
