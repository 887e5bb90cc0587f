/* Tests transports/credentials*.c and tls_psk.c: what is loaded, and that nothing else is. */
#include "tls_pki.h"
#include "transports/credentials.h"
#include "transports/credentials_cert.h"
#include "transports/credentials_file.h"
#include "transports/tls_psk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char why[CREDENTIALS_WHY_SIZE];

static struct tls_settings settings_of(const char *certificate, const char *key)
{
    return (struct tls_settings){.certificate = certificate ? pki_path(certificate) : NULL,
                                 .key = key ? pki_path(key) : NULL,
                                 .groups = (char *)"X25519MLKEM768,X25519,P-256",
                                 .handshake_timeout = 10000,
                                 .half_open = 10,
                                 .ticket_lifetime = 3600000};
}

static int load(const struct tls_settings *settings)
{
    struct credentials *credentials = NULL;
    int error = credentials_load(settings, false, &credentials, why);
    assert_int_equal(error == 0, credentials != NULL);
    credentials_unref(credentials);
    return error;
}

static void a_pair_is_loaded_and_its_end_is_known(void **unused)
{
    (void)unused;
    struct tls_settings settings = settings_of("server.pem", "server.key");
    struct credentials *credentials;
    assert_int_equal(credentials_load(&settings, false, &credentials, why), 0);
    int64_t days = (credentials->expires_s - time(NULL)) / 86400;
    assert_in_range(days, 98, 101);
    assert_null(credentials->loose);
    assert_null(credentials->wish.key);
    credentials_unref(credentials);
}

static void a_key_of_somebody_else_is_refused(void **unused)
{
    (void)unused;
    struct tls_settings settings = settings_of("server.pem", "client.key");
    assert_int_equal(load(&settings), -EINVAL);
    assert_non_null(strstr(why, "client.key"));
    assert_non_null(strstr(why, "not the key of the certificate"));
}

static void a_missing_file_is_named(void **unused)
{
    (void)unused;
    struct tls_settings settings = settings_of("nowhere.pem", "server.key");
    assert_int_equal(load(&settings), -ENOENT);
    assert_non_null(strstr(why, "nowhere.pem: No such file"));
}

static void every_truncation_of_a_certificate_and_of_a_key_is_refused(void **unused)
{
    (void)unused;
    static const char *const names[] = {"server.pem", "server.key"};
    for (int n = 0; n < 2; n++) {
        struct credentials_file file;
        assert_int_equal(credentials_file_read(pki_path(names[n]), &file, why, sizeof(why)), 0);
        for (size_t len = 0; len < file.len - 2; len += 7) {
            pki_write("cut", file.at, len);
            struct tls_settings settings =
                n == 0 ? settings_of("cut", "server.key") : settings_of("server.pem", "cut");
            assert_true(load(&settings) < 0);
        }
        credentials_file_clear(&file);
    }
}

static void an_empty_ca_is_no_ca(void **unused)
{
    (void)unused;
    struct tls_settings settings = settings_of("server.pem", "server.key");
    settings.ca = pki_path("empty");
    pki_write("empty", "", 0);
    assert_true(load(&settings) < 0);
    pki_write("empty", "\n# nothing\n", 11);
    assert_true(load(&settings) < 0);
}

static void a_broken_list_is_refused(void **unused)
{
    (void)unused;
    struct tls_settings settings = settings_of("server.pem", "server.key");
    settings.ca = pki_path("ca.pem");
    settings.crl = pki_path("server.pem"); /* something else */
    assert_true(load(&settings) < 0);
}

static void a_key_that_others_may_read_is_reported(void **unused)
{
    (void)unused;
    struct tls_settings settings = settings_of("server.pem", "server.key");
    struct credentials *credentials;
    chmod(pki_path("server.key"), 0644);
    assert_int_equal(credentials_load(&settings, false, &credentials, why), 0);
    assert_string_equal(credentials->loose, pki_path("server.key"));
    credentials_unref(credentials);
    chmod(pki_path("server.key"), 0600);
}

static void unknown_groups_are_refused(void **unused)
{
    (void)unused;
    struct tls_settings settings = settings_of("server.pem", "server.key");
    settings.groups = (char *)"X25519,secret-sauce";
    assert_int_equal(load(&settings), -EINVAL);
    assert_non_null(strstr(why, "secret-sauce"));
    settings.groups = (char *)",";
    assert_int_equal(load(&settings), -EINVAL);
}

static struct psk_table *read_keys(const char *text)
{
    return psk_table_read(slice_of_str(text), why, sizeof(why));
}

static void keys_are_found_by_identity(void **unused)
{
    (void)unused;
    struct psk_table *table = read_keys("b:000102030405060708090A0B0C0D0E0F\r\n"
                                        "# a comment\n\n"
                                        "urn:dev:1:ffffffffffffffffffffffffffffffff00");
    assert_non_null(table);
    assert_int_equal(psk_table_count(table), 2);
    assert_int_equal(psk_table_find(table, SLICE("b")).len, 16);
    assert_int_equal(psk_table_find(table, SLICE("b")).at[15], 15);
    assert_int_equal(psk_table_find(table, SLICE("urn:dev:1")).len, 17);
    assert_int_equal(psk_table_find(table, SLICE("a")).len, 0);
    assert_int_equal(psk_table_find(table, SLICE("bb")).len, 0);
    assert_int_equal(psk_table_find(table, SLICE("")).len, 0);
    psk_table_free(table);
}

static void a_mistake_in_one_line_refuses_the_file(void **unused)
{
    (void)unused;
    static const char *const wrong[] = {
        "",
        "# only\n",
        "a\n",
        ":000102030405060708090a0b0c0d0e0f\n",
        "a:00\n",
        "a:\n",
        "a:000102030405060708090a0b0c0d0e0g\n",
        "a:000102030405060708090a0b0c0d0e0f0\n",
        "a\x01:000102030405060708090a0b0c0d0e0f\n",
        "\xff:000102030405060708090a0b0c0d0e0f\n",
        "a:000102030405060708090a0b0c0d0e0f\na:000102030405060708090a0b0c0d0e0f\n",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_null(read_keys(wrong[i]));
        assert_null(strstr(why, "0001"));
    }
}

static size_t identity_of(const char *name, enum tls_identity kind, char to[CERT_NAME_MAX])
{
    struct credentials_file file;
    DerBuffer *der = NULL;
    assert_int_equal(credentials_file_read(pki_path(name), &file, why, sizeof(why)), 0);
    assert_int_equal(wc_PemToDer(file.at, (long)file.len, CERT_TYPE, &der, NULL, NULL, NULL), 0);
    size_t length = cert_identity(slice_of(der->buffer, der->length), kind, to);
    wc_FreeDer(&der);
    credentials_file_clear(&file);
    return length;
}

static void a_certificate_says_whose_it_is(void **unused)
{
    (void)unused;
    char name[CERT_NAME_MAX];
    assert_int_equal(identity_of("client.pem", TLS_IDENTITY_SAN, name), 8);
    assert_memory_equal(name, "sensor-7", 8);
    assert_int_equal(identity_of("client.pem", TLS_IDENTITY_CN, name), 6);
    assert_memory_equal(name, "client", 6);
    assert_int_equal(identity_of("client.pem", TLS_IDENTITY_FINGERPRINT, name), 64);
    assert_int_equal(identity_of("nameless.pem", TLS_IDENTITY_SAN, name), 0);
    assert_int_equal(cert_identity(SLICE("nonsense"), TLS_IDENTITY_SAN, name), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_is_loaded_and_its_end_is_known),
        cmocka_unit_test(a_key_of_somebody_else_is_refused),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(every_truncation_of_a_certificate_and_of_a_key_is_refused),
        cmocka_unit_test(an_empty_ca_is_no_ca),
        cmocka_unit_test(a_broken_list_is_refused),
        cmocka_unit_test(a_key_that_others_may_read_is_reported),
        cmocka_unit_test(unknown_groups_are_refused),
        cmocka_unit_test(keys_are_found_by_identity),
        cmocka_unit_test(a_mistake_in_one_line_refuses_the_file),
        cmocka_unit_test(a_certificate_says_whose_it_is),
    };
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
