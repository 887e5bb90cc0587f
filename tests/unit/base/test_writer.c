/* Tests base/writer.h. */
#include "base/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void numbers_are_written_in_network_order(void **state)
{
    (void)state;
    uint8_t bytes[17];
    struct writer w = writer_of(bytes, sizeof(bytes));
    writer_u8(&w, 0x01);
    writer_u16(&w, 0x0203);
    writer_u32(&w, 0xf4050607);
    writer_u64(&w, UINT64_C(0xf8090a0b0c0d0e0f));
    writer_bytes(&w, SLICE("hi"));
    assert_false(w.overflow);
    assert_int_equal(writer_len(&w), 17);
    assert_memory_equal(bytes, "\x01\x02\x03\xf4\x05\x06\x07\xf8\x09\x0a\x0b\x0c\x0d\x0e\x0fhi",
                        17);
}

static void a_write_past_the_end_writes_nothing(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(3);
    memset(bytes, 'x', 3);
    struct writer w = writer_of(bytes, 3);
    writer_u16(&w, 0x6162);
    writer_u32(&w, 0);
    assert_true(w.overflow);
    assert_int_equal(writer_len(&w), 2);
    writer_u8(&w, 'c'); /* would fit, but the size was wrong already */
    writer_bytes(&w, SLICE("c"));
    assert_memory_equal(bytes, "abx", 3);
    free(bytes);
}

static void no_room_takes_empty_slices_only(void **state)
{
    (void)state;
    struct writer w = writer_of(NULL, 0);
    writer_bytes(&w, SLICE_EMPTY);
    assert_false(w.overflow);
    assert_int_equal(writer_len(&w), 0);
    writer_bytes(&w, SLICE("c"));
    assert_true(w.overflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_in_network_order),
        cmocka_unit_test(a_write_past_the_end_writes_nothing),
        cmocka_unit_test(no_room_takes_empty_slices_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
