/* Tests of der: what X.690 asks for, written and read. */
#include "siotctl/der.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void written_is(struct der *der, const char *bytes, size_t len)
{
    struct slice written = der_written(der);
    assert_int_equal(written.len, len);
    assert_memory_equal(written.at, bytes, len);
    der_clear(der);
}

static void lengths_take_as_few_bytes_as_they_can(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        const char *head;
        size_t head_len;
    } cases[] = {
        {0, "\x04\x00", 2},
        {1, "\x04\x01", 2},
        {127, "\x04\x7f", 2},
        {128, "\x04\x81\x80", 3},
        {255, "\x04\x81\xff", 3},
        {256, "\x04\x82\x01\x00", 4},
        {65535, "\x04\x82\xff\xff", 4},
        {65536, "\x04\x83\x01\x00\x00", 5},
    };
    static uint8_t content[65536];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct der der;
        uint8_t tag;
        struct slice read, whole;
        der_init(&der);
        der_put(&der, slice_of(content, cases[i].len));
        der_wrap_since(&der, DER_OCTET_STRING, 0);
        struct slice written = der_written(&der);
        assert_int_equal(written.len, cases[i].head_len + cases[i].len);
        assert_memory_equal(written.at, cases[i].head, cases[i].head_len);
        struct cursor cursor = cursor_of(written);
        assert_true(der_read(&cursor, &tag, &read, &whole));
        assert_int_equal(tag, DER_OCTET_STRING);
        assert_int_equal(read.len, cases[i].len);
        assert_true(slice_equal(whole, written));
        der_clear(&der);
    }
}

static void integers_are_short_and_never_negative(void **state)
{
    (void)state;
    static const struct {
        struct slice magnitude;
        const char *written;
        size_t len;
    } cases[] = {
        {{(const uint8_t *)"", 0}, "\x02\x01\x00", 3},
        {{(const uint8_t *)"\0\0", 2}, "\x02\x01\x00", 3},
        {{(const uint8_t *)"\0\x7f", 2}, "\x02\x01\x7f", 3},
        {{(const uint8_t *)"\x80", 1}, "\x02\x02\x00\x80", 4},
        {{(const uint8_t *)"\0\0\x01\x00", 4}, "\x02\x02\x01\x00", 4},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct der der;
        der_init(&der);
        der_put_integer(&der, cases[i].magnitude);
        written_is(&der, cases[i].written, cases[i].len);
    }
}

static void times_change_their_form_in_2050(void **state)
{
    (void)state;
    struct der der;
    der_init(&der);
    der_put_time(&der, 2524607999);
    written_is(&der,
               "\x17\x0d"
               "491231235959Z",
               15);
    der_put_time(&der, 2524608000);
    written_is(&der,
               "\x18\x0f"
               "20500101000000Z",
               17);
    der_put_time(&der, 0);
    written_is(&der,
               "\x17\x0d"
               "700101000000Z",
               15);
}

static void times_are_read_as_they_were_written(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct der der;
        time_t when = (time_t)(random_u64() % 8000000000), read;
        der_init(&der);
        der_put_time(&der, when);
        struct cursor cursor = cursor_of(der_written(&der));
        assert_true(der_read_time(&cursor, &read));
        assert_int_equal(read, when);
        assert_int_equal(cursor_left(&cursor), 0);
        der_clear(&der);
    }
}

static void what_is_no_time_is_not_read_as_one(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "\x17\x0c"
        "49123123595Z",
        "\x17\x0d"
        "4912312359590",
        "\x17\x0d"
        "491331235959Z",
        "\x17\x0d"
        " 91231235959Z",
        "\x18\x0d"
        "491231235959Z",
        "\x17\x0f"
        "20500101000000Z",
        "\x04\x0d"
        "491231235959Z",
        "\x17\x0b"
        "4912312359Z",
        "\x17\x11"
        "491231235959+0000",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct cursor cursor = cursor_of(slice_of_str(wrong[i]));
        time_t when;
        assert_false(der_read_time(&cursor, &when));
    }
}

static void what_is_no_der_is_not_read(void **state)
{
    (void)state;
    static const struct slice wrong[] = {
        {(const uint8_t *)"", 0},
        {(const uint8_t *)"\x30", 1},
        {(const uint8_t *)"\x30\x01", 2},
        {(const uint8_t *)"\x30\x80\x00\x00", 4}, /* indefinite */
        {(const uint8_t *)"\x30\x81\x01\x00", 4}, /* longer than need be */
        {(const uint8_t *)"\x30\x82\x00\x80", 4},
        {(const uint8_t *)"\x30\x84\xff\xff\xff\xff", 6}, /* more than there is */
        {(const uint8_t *)"\x30\x85\x00\x00\x00\x00\x00", 7},
        {(const uint8_t *)"\x3f\x01\x00", 3}, /* a long tag */
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct cursor cursor = cursor_of(wrong[i]);
        uint8_t tag;
        struct slice content, whole;
        assert_false(der_read(&cursor, &tag, &content, &whole));
        assert_true(cursor.failed);
    }
    struct cursor cursor = cursor_of(SLICE("\x04\x01z"));
    struct slice content;
    assert_false(der_expect(&cursor, DER_SEQUENCE, &content, NULL));
    assert_true(cursor.failed);
}

static void random_bytes_are_read_without_harm(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        size_t len = random_u64() % 40;
        uint8_t *bytes = malloc(len + 1), tag;
        assert_non_null(bytes);
        random_bytes(bytes, len);
        struct cursor cursor = cursor_of(slice_of(bytes, len));
        struct slice content, whole;
        while (der_read(&cursor, &tag, &content, &whole))
            assert_true(content.len <= len && whole.len <= len);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_take_as_few_bytes_as_they_can),
        cmocka_unit_test(integers_are_short_and_never_negative),
        cmocka_unit_test(times_change_their_form_in_2050),
        cmocka_unit_test(times_are_read_as_they_were_written),
        cmocka_unit_test(what_is_no_time_is_not_read_as_one),
        cmocka_unit_test(what_is_no_der_is_not_read),
        cmocka_unit_test(random_bytes_are_read_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
