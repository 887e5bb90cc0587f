/* Tests of base64. */
#include "base/base64.h"
#include "base/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void the_vectors_of_rfc_4648_hold(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xbe", "+/++"},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        char text[16];
        uint8_t bytes[8];
        struct slice plain = slice_of_str(vectors[i][0]);
        base64_encode(plain, text);
        assert_string_equal(text, vectors[i][1]);
        assert_int_equal(base64_decode(slice_of_str(text), bytes, sizeof(bytes)), plain.len);
        assert_memory_equal(bytes, plain.at, plain.len);
    }
}

static void what_was_encoded_is_decoded_again_at_every_length(void **state)
{
    (void)state;
    for (size_t len = 0; len < 300; len++) {
        uint8_t bytes[300], back[300];
        char text[BASE64_SIZE(300) + 1];
        random_bytes(bytes, len);
        base64_encode(slice_of(bytes, len), text);
        assert_int_equal(strlen(text), BASE64_SIZE(len));
        /* Exactly as much room as is needed, so that a sanitizer sees a byte too many. */
        uint8_t *exact = malloc(len + 1);
        assert_non_null(exact);
        assert_int_equal(base64_decode(slice_of_str(text), exact, len), len);
        memcpy(back, exact, len);
        free(exact);
        assert_memory_equal(back, bytes, len);
        if (len > 0)
            assert_int_equal(base64_decode(slice_of_str(text), back, len - 1), -ENOSPC);
    }
}

static void no_character_outside_the_alphabet_is_taken(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        uint8_t text[4] = {(uint8_t)c, 'A', 'A', 'A'}, bytes[3];
        bool good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                    c == '+' || c == '/';
        assert_int_equal(base64_decode(slice_of(text, 4), bytes, 3), good ? 3 : -EINVAL);
    }
}

static void a_second_spelling_of_a_value_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"Zh==", "Zm9=",     "Zg=",    "Zg",    "Z",    "====",
                                        "Z===", "Zg==Zg==", "Zm9v\n", "Zm 9v", "=Zm9", "Zm=v"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint8_t bytes[16];
        assert_int_equal(base64_decode(slice_of_str(wrong[i]), bytes, sizeof(bytes)), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_4648_hold),
        cmocka_unit_test(what_was_encoded_is_decoded_again_at_every_length),
        cmocka_unit_test(no_character_outside_the_alphabet_is_taken),
        cmocka_unit_test(a_second_spelling_of_a_value_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
