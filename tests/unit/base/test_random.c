/* Tests base/random.c. */
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void every_byte_of_the_asked_and_no_other_is_drawn(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 40; len++) {
        uint8_t bytes[42] = {0}, seen[42] = {0};
        for (int draw = 0; draw < 20; draw++) { /* all zero 20 times: once in 2^160 */
            random_bytes(bytes + 1, len);
            for (size_t i = 0; i < sizeof(bytes); i++)
                seen[i] |= bytes[i];
        }
        for (size_t i = 0; i < sizeof(seen); i++)
            assert_int_equal(seen[i] != 0, i >= 1 && i <= len);
    }
}

static void more_than_the_kernel_gives_at_once_is_filled(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 20]; /* getrandom stops at 32 MiB, but may be interrupted above 256 */
    random_bytes(bytes, sizeof(bytes));
    for (size_t at = 0; at < sizeof(bytes); at += 64) {
        static const uint8_t zero[64];
        assert_memory_not_equal(bytes + at, zero, 64);
    }
}

static void every_bit_of_a_number_is_sometimes_0_and_sometimes_1(void **state)
{
    (void)state;
    uint64_t ones = 0, zeros = 0;
    for (int i = 0; i < 256; i++) {
        uint64_t v = random_u64();
        ones |= v;
        zeros |= ~v;
    }
    assert_true(ones == UINT64_MAX && zeros == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_of_the_asked_and_no_other_is_drawn),
        cmocka_unit_test(more_than_the_kernel_gives_at_once_is_filled),
        cmocka_unit_test(every_bit_of_a_number_is_sometimes_0_and_sometimes_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
