/* secure: WiFiClientSecure on wolfSSL. */
#include "WiFiClientSecure.h"

#ifndef WOLFSSL_USER_SETTINGS
#include <wolfssl/options.h>
#endif
#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/ssl.h>

static WOLFSSL *of(void *ssl)
{
    return (WOLFSSL *)ssl;
}

bool WiFiClientSecure::connect(const char *host, int port)
{
    stop();
    if (!WiFiClient::connect(host, port))
        return false;
    WOLFSSL_CTX *made = wolfSSL_CTX_new(wolfTLS_client_method());
    profile = made;
    bool loaded =
        wolfSSL_CTX_load_verify_buffer(made, (const uint8_t *)authority, (long)strlen(authority),
                                       WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS;
    if (loaded && certificate)
        loaded = wolfSSL_CTX_use_certificate_buffer(made, (const uint8_t *)certificate,
                                                    (long)strlen(certificate),
                                                    WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS &&
                 wolfSSL_CTX_use_PrivateKey_buffer(made, (const uint8_t *)key, (long)strlen(key),
                                                   WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS;
    if (!loaded)
        abort();
    ssl = wolfSSL_new(made);
    wolfSSL_check_ip_address(of(ssl), host);
    wolfSSL_set_fd(of(ssl), fd);
    if (wolfSSL_connect(of(ssl)) == WOLFSSL_SUCCESS)
        return true;
    fprintf(stderr, "tls: error %d\n", wolfSSL_get_error(of(ssl), 0));
    stop();
    return false;
}

int WiFiClientSecure::available()
{
    return ssl && wolfSSL_pending(of(ssl)) ? 1 : WiFiClient::available();
}

int WiFiClientSecure::read(uint8_t *to, size_t len)
{
    return ssl ? wolfSSL_read(of(ssl), to, (int)len) : -1;
}

size_t WiFiClientSecure::write(const uint8_t *from, size_t len)
{
    int sent = ssl ? wolfSSL_write(of(ssl), from, (int)len) : 0;
    return sent < 0 ? 0 : (size_t)sent;
}

void WiFiClientSecure::stop()
{
    wolfSSL_free(of(ssl));
    wolfSSL_CTX_free((WOLFSSL_CTX *)profile);
    ssl = profile = nullptr;
    WiFiClient::stop();
}
