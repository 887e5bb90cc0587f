/* Tests of pem: DER in text. */
#include "siotctl/pem.h"

#include "base/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void what_was_encoded_is_decoded_again_at_every_length(void **state)
{
    (void)state;
    for (size_t len = 1; len < 200; len++) {
        uint8_t bytes[200], *back;
        size_t back_len;
        random_bytes(bytes, len);
        char *text = pem_encode(PEM_CRL, slice_of(bytes, len));
        assert_non_null(text);
        assert_int_equal(pem_decode(slice_of_str(text), PEM_CRL, &back, &back_len), 0);
        assert_int_equal(back_len, len);
        assert_memory_equal(back, bytes, len);
        for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
            assert_true(strcspn(line, "\n") <= 64);
        free(back);
        free(text);
    }
}

static void text_around_blocks_and_other_blocks_are_passed_over(void **state)
{
    (void)state;
    static const char text[] =
        "subject=/CN=x\r\n-----BEGIN OTHER-----\r\nAAAA\r\n-----END OTHER-----\r\n"
        "-----BEGIN CERTIFICATE-----\r\nAQID\r\n-----END CERTIFICATE-----\r\n"
        "-----BEGIN CERTIFICATE-----\r\nBBBB\r\n-----END CERTIFICATE-----\r\n";
    uint8_t *der;
    size_t len;
    assert_int_equal(pem_decode(slice_of_str(text), PEM_CERTIFICATE, &der, &len), 0);
    assert_int_equal(len, 3);
    assert_memory_equal(der, "\1\2\3", 3);
    free(der);
    assert_int_equal(pem_decode(slice_of_str(text), PEM_PRIVATE_KEY, &der, &len), -ENOENT);
}

static void a_broken_block_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "-----BEGIN CERTIFICATE-----\nAQID\n",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAQI\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nProc-Type: 4\n\nAQID\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAQID\n-----END X509 CRL-----\n",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint8_t *der;
        size_t len;
        assert_int_equal(pem_decode(slice_of_str(wrong[i]), PEM_CERTIFICATE, &der, &len), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_is_decoded_again_at_every_length),
        cmocka_unit_test(text_around_blocks_and_other_blocks_are_passed_over),
        cmocka_unit_test(a_broken_block_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
