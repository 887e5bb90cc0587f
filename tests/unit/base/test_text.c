/* Tests base/text.c. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"protocol",        "transport", "bind",       "port",
                                    "max_connections", "to",        "keep_alive", "level"};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static void expect(const char *unknown, const char *meant)
{
    const char *found = text_nearest(unknown, names, NAMES);
    if (meant)
        assert_string_equal(found ? found : "(none)", meant);
    else if (found)
        fail_msg("\"%s\" is not near to \"%s\"", unknown, found);
}

static void one_slip_is_understood(void **state)
{
    (void)state;
    expect("protocl", "protocol");   /* left out */
    expect("protoccol", "protocol"); /* added */
    expect("protokol", "protocol");  /* changed */
    expect("portocol", "protocol");  /* swapped */
    expect("pord", "port");
    expect("ptor", NULL); /* two slips in four letters */
    expect("prot", "port");
    expect("too", "to");
    expect("max_conections", "max_connections");
}

static void case_and_hyphens_are_no_slips(void **state)
{
    (void)state;
    expect("Level", "level");
    expect("keep-alive", "keep_alive");
    expect("KEEP-ALIV", "keep_alive");
    expect("keepalive", "keep_alive");
}

static void another_word_is_near_to_nothing(void **state)
{
    (void)state;
    expect("", NULL);
    expect("x", NULL);
    expect("certificate", NULL);
    expect("at", NULL);
    char endless[200];
    memset(endless, 'p', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = 0;
    expect(endless, NULL);
    assert_null(text_nearest("port", NULL, 0));
}

static void the_first_of_equals_is_taken(void **state)
{
    (void)state;
    static const char *const equals[] = {"certs", "cart", "card", "care"};
    assert_string_equal(text_nearest("carx", equals, 4), "cart");
    assert_string_equal(text_nearest("card", equals, 4), "card");
}

/* A word of the longest kind, and a longer one among the names, which is passed over. */
static void words_up_to_64_bytes_are_compared(void **state)
{
    (void)state;
    char longest[65], longer[66], slip[65];
    memset(longest, 'a', 64);
    longest[64] = 0;
    memset(longer, 'a', 65);
    longer[65] = 0;
    memcpy(slip, longest, sizeof(slip));
    slip[63] = 'b';
    const char *const pair[] = {longer, longest};
    assert_ptr_equal(text_nearest(slip, pair, 2), longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_slip_is_understood),
        cmocka_unit_test(case_and_hyphens_are_no_slips),
        cmocka_unit_test(another_word_is_near_to_nothing),
        cmocka_unit_test(the_first_of_equals_is_taken),
        cmocka_unit_test(words_up_to_64_bytes_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
