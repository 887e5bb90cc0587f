/* Tests base/cursor.h. */
#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void numbers_are_read_in_network_order(void **state)
{
    (void)state;
    struct cursor c =
        cursor_of(SLICE("\x01\x02\x03\xf4\x05\x06\x07\xf8\x09\x0a\x0b\x0c\x0d\x0e\x0frest"));
    assert_int_equal(cursor_u8(&c), 0x01);
    assert_int_equal(cursor_u16(&c), 0x0203);
    assert_int_equal(cursor_offset(&c), 3);
    assert_int_equal(cursor_u32(&c), 0xf4050607);
    assert_true(cursor_u64(&c) == UINT64_C(0xf8090a0b0c0d0e0f));
    assert_int_equal(cursor_left(&c), 4);
    assert_true(slice_equal(cursor_rest(&c), SLICE("rest")));
    assert_int_equal(cursor_left(&c), 0);
    assert_false(c.failed);
}

static void a_read_past_the_end_fails_for_good_and_moves_nothing(void **state)
{
    (void)state;
    struct cursor c = cursor_of(SLICE("abc"));
    assert_int_equal(cursor_u32(&c), 0);
    assert_true(c.failed);
    assert_int_equal(cursor_offset(&c), 0);
    assert_int_equal(cursor_u8(&c), 0); /* would fit, but the reader has lost its place */
    assert_int_equal(cursor_take(&c, 0).len, 0);
    assert_int_equal(cursor_rest(&c).len, 0);
    assert_int_equal(cursor_left(&c), 3);
    assert_true(c.failed);
}

static void every_length_is_bounded(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 5; len++) {
        uint8_t *at = malloc(len ? len : 1);
        memset(at, 0xff, len);
        for (size_t take = 0; take <= 7; take++) {
            struct cursor c = cursor_of(slice_of(at, len));
            struct slice s = cursor_take(&c, take);
            assert_int_equal(c.failed, take > len);
            assert_int_equal(s.len, take > len ? 0 : take);
        }
        struct cursor c = cursor_of(slice_of(at, len));
        assert_int_equal(cursor_u16(&c), len >= 2 ? 0xffff : 0);
        assert_int_equal(c.failed, len < 2);
        assert_true(cursor_u64(&c) == 0 && c.failed); /* of less than eight bytes */
        free(at);
    }
    struct cursor c = cursor_of(SLICE("abc"));
    cursor_take(&c, SIZE_MAX);
    assert_true(c.failed);
}

static void nothing_can_be_read_from_nothing(void **state)
{
    (void)state;
    struct cursor c = cursor_of(SLICE_EMPTY);
    assert_int_equal(cursor_left(&c), 0);
    assert_int_equal(cursor_take(&c, 0).len, 0);
    assert_int_equal(cursor_rest(&c).len, 0);
    assert_false(c.failed);
    assert_int_equal(cursor_u8(&c), 0);
    assert_true(c.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_in_network_order),
        cmocka_unit_test(a_read_past_the_end_fails_for_good_and_moves_nothing),
        cmocka_unit_test(every_length_is_bounded),
        cmocka_unit_test(nothing_can_be_read_from_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
