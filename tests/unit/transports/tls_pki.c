/* tls_pki: see tls_pki.h. Everything is EC P-256. */
#include "tls_pki.h"

#include "transports/listener_settings.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>

#include <cmocka.h>

static char folder[64];
static WC_RNG rng;

const unsigned char pki_psk[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

struct maker {
    ecc_key key;
    unsigned char der[2048];
    int der_len;
};

char *pki_path(const char *name)
{
    static char paths[16][160];
    static unsigned next;
    char *path = paths[next++ % 16];
    int len = snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    assert_in_range(len, 1, sizeof(paths[0]) - 1);
    return path;
}

void pki_write(const char *name, const void *bytes, unsigned long len)
{
    int fd = open(pki_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

static void write_pem(const char *name, const char *suffix, const unsigned char *der, int len,
                      int type)
{
    unsigned char pem[4096];
    char file[64];
    int size = wc_DerToPem(der, (word32)len, pem, sizeof(pem), type);
    assert_true(size > 0);
    snprintf(file, sizeof(file), "%s.%s", name, suffix);
    pki_write(file, pem, (unsigned long)size);
}

/* What is particular about a certificate. */
struct shape {
    const char *name, *dns, *usage;
    int ca, expired;
};

static void put_name(Cert *cert, const char *dns)
{
    size_t len = strlen(dns);
    unsigned char *to = cert->altNames;
    to[0] = 0x30;
    to[1] = (unsigned char)(len + 2);
    to[2] = 0x82;
    to[3] = (unsigned char)len;
    memcpy(to + 4, dns, len);
    cert->altNamesSz = (int)len + 4;
}

static void put_dates_of_2020(Cert *cert)
{
    memcpy(cert->beforeDate,
           "\x17\x0d"
           "200101000000Z",
           15);
    memcpy(cert->afterDate,
           "\x17\x0d"
           "200201000000Z",
           15);
    cert->beforeDateSz = cert->afterDateSz = 15;
}

/* A key and a certificate signed by `issuer`, or by itself. */
static void make(struct maker *made, const struct shape *shape, struct maker *issuer)
{
    Cert cert;
    unsigned char key[512];
    assert_int_equal(wc_ecc_init(&made->key), 0);
    assert_int_equal(wc_ecc_make_key(&rng, 32, &made->key), 0);
    assert_int_equal(wc_InitCert(&cert), 0);
    snprintf(cert.subject.commonName, sizeof(cert.subject.commonName), "%s", shape->name);
    cert.sigType = CTC_SHA256wECDSA;
    cert.isCA = shape->ca;
    cert.daysValid = 100;
    if (shape->dns)
        put_name(&cert, shape->dns);
    if (shape->expired)
        put_dates_of_2020(&cert);
    if (shape->ca)
        assert_int_equal(wc_SetKeyUsage(&cert, "keyCertSign,cRLSign"), 0);
    if (shape->usage)
        assert_int_equal(wc_SetExtKeyUsage(&cert, shape->usage), 0);
    if (issuer)
        assert_int_equal(wc_SetIssuerBuffer(&cert, issuer->der, issuer->der_len), 0);
    assert_true(wc_MakeCert(&cert, made->der, sizeof(made->der), NULL, &made->key, &rng) > 0);
    made->der_len = wc_SignCert(cert.bodySz, cert.sigType, made->der, sizeof(made->der), NULL,
                                issuer ? &issuer->key : &made->key, &rng);
    assert_true(made->der_len > 0);
    write_pem(shape->name, "pem", made->der, made->der_len, CERT_TYPE);
    int len = wc_EccKeyToDer(&made->key, key, sizeof(key));
    assert_true(len > 0);
    write_pem(shape->name, "key", key, len, ECC_PRIVATEKEY_TYPE);
}

void pki_make(void)
{
    static struct maker ca, other, leaf;
    static const struct shape shapes[] = {
        {.name = "server", .dns = "localhost", .usage = "serverAuth"},
        {.name = "client", .dns = "sensor-7", .usage = "clientAuth"},
        {.name = "expired", .dns = "sensor-7", .usage = "clientAuth", .expired = 1},
        {.name = "for-servers", .dns = "sensor-7", .usage = "serverAuth"},
        {.name = "nameless", .usage = "clientAuth"},
    };
    snprintf(folder, sizeof(folder), "/tmp/siotd-test-tls.XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(wolfSSL_Init(), WOLFSSL_SUCCESS);
    assert_int_equal(wc_InitRng(&rng), 0);
    make(&ca, &(struct shape){.name = "ca", .ca = 1}, NULL);
    make(&other, &(struct shape){.name = "other-ca", .ca = 1}, NULL);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        make(&leaf, &shapes[i], &ca);
        wc_ecc_free(&leaf.key);
    }
    make(&leaf, &(struct shape){.name = "foreign", .dns = "sensor-7", .usage = "clientAuth"},
         &other);
    wc_ecc_free(&leaf.key);
    wc_ecc_free(&ca.key);
    wc_ecc_free(&other.key);
    static const char keys[] = "# devices\n\nsensor-1:0102030405060708090a0b0c0d0e0f10\n";
    pki_write("keys.psk", keys, sizeof(keys) - 1);
}

void pki_remove(void)
{
    DIR *files = opendir(folder);
    for (struct dirent *file; files && (file = readdir(files));)
        unlink(pki_path(file->d_name));
    closedir(files);
    rmdir(folder);
    wc_FreeRng(&rng);
}

int pki_setup(void **unused)
{
    (void)unused;
    pki_make();
    return 0;
}

int pki_teardown(void **unused)
{
    (void)unused;
    pki_remove();
    return 0;
}

void pki_server(struct listener_settings *settings)
{
    settings->tls = (struct tls_settings){.certificate = pki_path("server.pem"),
                                          .key = pki_path("server.key"),
                                          .groups = (char *)"X25519MLKEM768,X25519,P-256",
                                          .handshake_timeout = 10000,
                                          .half_open = 100,
                                          .ticket_lifetime = 3600000,
                                          .mtu = 1232,
                                          .connection_id = true};
}

/* ---- what clients show ---- */

void pki_show_certificate(WOLFSSL *ssl, const char *name)
{
    char file[80];
    snprintf(file, sizeof(file), "%s.pem", name);
    assert_int_equal(wolfSSL_use_certificate_file(ssl, pki_path(file), WOLFSSL_FILETYPE_PEM),
                     WOLFSSL_SUCCESS);
    snprintf(file, sizeof(file), "%s.key", name);
    assert_int_equal(wolfSSL_use_PrivateKey_file(ssl, pki_path(file), WOLFSSL_FILETYPE_PEM),
                     WOLFSSL_SUCCESS);
}

static char psk_identity[160];
static unsigned char psk_key[64];
static unsigned psk_len;

static unsigned give_key(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_size,
                         unsigned char *key, unsigned key_size)
{
    (void)ssl;
    (void)hint;
    assert_true(key_size >= psk_len);
    snprintf(identity, identity_size, "%s", psk_identity);
    memcpy(key, psk_key, psk_len);
    return psk_len;
}

static unsigned give_key_13(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_size,
                            unsigned char *key, unsigned key_size, const char **suite)
{
    *suite = "TLS13-AES128-GCM-SHA256";
    return give_key(ssl, hint, identity, identity_size, key, key_size);
}

void pki_offer_key(WOLFSSL *ssl, const char *identity, const void *key, unsigned len)
{
    snprintf(psk_identity, sizeof(psk_identity), "%s", identity);
    memcpy(psk_key, key, len);
    psk_len = len;
    wolfSSL_set_psk_client_callback(ssl, give_key);
    wolfSSL_set_psk_client_tls13_callback(ssl, give_key_13);
    wolfSSL_set_cipher_list(ssl, "TLS13-AES128-GCM-SHA256:ECDHE-PSK-AES128-GCM-SHA256");
}
