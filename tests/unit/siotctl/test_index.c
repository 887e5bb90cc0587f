/* Tests of index: what an authority remembers, written, read and looked up. */
#include "siotctl/index.h"

#include "base/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void add(struct index *index, const char *name, bool revoked, time_t until)
{
    struct index_entry entry = {.revoked = revoked, .until = until, .since = revoked ? 1000 : 0};
    random_bytes(entry.serial, sizeof(entry.serial));
    snprintf(entry.name, sizeof(entry.name), "%s", name);
    assert_int_equal(index_add(index, &entry), 0);
}

static void what_was_written_is_read_again(void **state)
{
    (void)state;
    struct index index = {7, NULL, 0}, back;
    unsigned line;
    add(&index, "a", false, 4000000000);
    add(&index, "b", true, 1800000000);
    index.entries[1].server = true;
    char *text = index_format(&index);
    assert_non_null(text);
    assert_int_equal(index_parse(&back, slice_of_str(text), &line), 0);
    assert_int_equal(back.crl_number, 7);
    assert_int_equal(back.count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(back.entries[i].revoked, index.entries[i].revoked);
        assert_int_equal(back.entries[i].server, index.entries[i].server);
        assert_int_equal(back.entries[i].until, index.entries[i].until);
        assert_int_equal(back.entries[i].since, index.entries[i].since);
        assert_memory_equal(back.entries[i].serial, index.entries[i].serial, INDEX_SERIAL_LEN);
        assert_string_equal(back.entries[i].name, index.entries[i].name);
    }
    /* Cut anywhere but at the end of a line it is refused; there it is no longer than it was. */
    for (size_t len = strlen(text); len-- > 0;) {
        struct index cut;
        bool whole_lines =
            len > 0 && text[len - 1] == '\n' && len >= strlen("# siotctl pki index\n");
        int failed = index_parse(&cut, slice_of(text, len), &line);
        assert_int_equal(failed, whole_lines ? 0 : -EINVAL);
        index_clear(&cut);
    }
    free(text);
    index_clear(&index);
    index_clear(&back);
}

#define HEADING "# siotctl pki index\n"
#define SERIAL  "4e1c572992265da33e4c5dade7ab3090"
#define UNTIL   "2029-02-23T03:00:42Z"

static void a_line_that_is_wrong_is_named(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "valid\n",
        "valid " SERIAL " " UNTIL " client\n",
        "good " SERIAL " " UNTIL " client a\n",
        "valid " SERIAL " " UNTIL " client a b\n",
        "valid " SERIAL " " UNTIL " client a " UNTIL "\n",
        "revoked " SERIAL " " UNTIL " client a\n",
        "valid " SERIAL " " UNTIL " other a\n",
        "valid " SERIAL "0 " UNTIL " client a\n",
        "valid x" SERIAL " " UNTIL " client a\n",
        "valid " SERIAL " tomorrow client a\n",
        "valid " SERIAL " " UNTIL " client ../a\n",
        "valid " SERIAL " " UNTIL "Z client a\n",
        "crl\n",
        "crl x\n",
        "crl 1 2\n",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct index index;
        char text[300];
        unsigned line;
        snprintf(text, sizeof(text), HEADING "crl 1\n%s", wrong[i]);
        if (index_parse(&index, slice_of_str(text), &line) != -EINVAL)
            fail_msg("taken: %s", wrong[i]);
        assert_int_equal(line, 3);
        assert_null(index.entries);
    }
}

static void a_nul_hides_no_line(void **state)
{
    (void)state;
    static const char text[] = HEADING "crl 1\n\0valid " SERIAL " " UNTIL " client a\n";
    struct index index;
    unsigned line;
    assert_int_equal(index_parse(&index, slice_of(text, sizeof(text) - 1), &line), -EINVAL);
}

static void the_newest_of_a_name_is_found_and_a_serial_too(void **state)
{
    (void)state;
    struct index index = {0, NULL, 0};
    char serial[2 * INDEX_SERIAL_LEN + 1];
    add(&index, "a", true, 100);
    add(&index, "a", false, 200);
    assert_ptr_equal(index_find(&index, "a"), &index.entries[1]);
    index_serial_text(index.entries[0].serial, serial);
    assert_ptr_equal(index_find(&index, serial), &index.entries[0]);
    assert_null(index_find(&index, "b"));
    assert_null(index_find(&index, "00000000000000000000000000000000"));
    assert_ptr_equal(index_in_force(&index, "a", 199), &index.entries[1]);
    assert_null(index_in_force(&index, "a", 200));
    index_clear(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_again),
        cmocka_unit_test(a_line_that_is_wrong_is_named),
        cmocka_unit_test(a_nul_hides_no_line),
        cmocka_unit_test(the_newest_of_a_name_is_found_and_a_serial_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
