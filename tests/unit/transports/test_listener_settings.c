/* Tests transports/listener_settings.c and stacks.c: the tables. */
#include "transports/listener_settings.h"
#include "transports/stacks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_every_row_lies_within_the_settings_and_none_twice(void **unused)
{
    (void)unused;
    assert_int_equal(listener_options.size, sizeof(struct listener_settings));
    for (size_t i = 0; i < listener_options.count; i++) {
        const struct option_row *row = &listener_options.rows[i];
        assert_true(row->offset < listener_options.size);
        assert_true(strlen(row->help) > 10);
        /* Which of tls: are needed depends on the others; a template is none that is not there. */
        if (strncmp(row->name, "tls.", 4) == 0 || strcmp(row->name, "topic") == 0)
            assert_false(row->required);
        else
            assert_true(row->required != (row->fallback != NULL));
        for (size_t n = 0; n < i; n++) {
            assert_string_not_equal(listener_options.rows[n].name, row->name);
            assert_int_not_equal(listener_options.rows[n].offset, row->offset);
        }
    }
}

static void test_nobody_is_let_in_unless_told_to(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < listener_options.count; i++)
        if (strcmp(listener_options.rows[i].name, "anonymous") == 0)
            assert_string_equal(listener_options.rows[i].fallback, "false");
}

static void test_stacks_are_found_by_name(void **unused)
{
    (void)unused;
    const struct stack *tcp = stack_find("tcp");
    assert_non_null(tcp);
    assert_int_equal(tcp->carrier, CARRIER_STREAM);
    assert_true(tcp->unix_sockets);
    assert_false(tcp->private);
    assert_null(tcp->layer);
    const struct stack *udp = stack_find("udp");
    assert_non_null(udp);
    assert_int_equal(udp->carrier, CARRIER_DATAGRAM);
    assert_false(udp->unix_sockets || udp->private || udp->tls);
    assert_null(udp->datagram_layer);
    assert_null(stack_find("carrier pigeon"));
    assert_null(stack_find(""));
    for (size_t i = 0; i < stacks_count; i++)
        assert_ptr_equal(stack_find(stacks[i].name), &stacks[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_lies_within_the_settings_and_none_twice),
        cmocka_unit_test(test_nobody_is_let_in_unless_told_to),
        cmocka_unit_test(test_stacks_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
