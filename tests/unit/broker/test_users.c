/* The password file: what becomes a user and what never does. */
#include "base/hash.h"
#include "broker/users.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ARGON "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"
#define PBKDF "$7$101$c2FsdA==$aGFzaA=="
#define SHA   "$6$c2FsdA==$aGFzaA=="

struct complaint {
    unsigned line, column;
    int count;
};

static void complain(void *to, unsigned line, unsigned column, const char *why)
{
    struct complaint *c = to;
    assert_non_null(why);
    if (c->count++ == 0) {
        c->line = line;
        c->column = column;
    }
}

static void reads_every_scheme(void **unused)
{
    (void)unused;
    struct complaint c = {0};
    struct users *users = users_read(
        SLICE("# people\nann:" ARGON "\n\nbob lee:" PBKDF "\r\ncarl:" SHA), NULL, complain, &c);
    assert_non_null(users);
    assert_int_equal(users_count(users), 3);
    assert_string_equal(users_record(users, SLICE("ann")), ARGON);
    assert_string_equal(users_record(users, SLICE("bob lee")), PBKDF);
    assert_string_equal(users_record(users, SLICE("carl")), SHA);
    assert_null(users_record(users, SLICE("an")));
    assert_null(users_record(users, SLICE("")));
    size_t position = 0, seen = 0;
    struct slice name;
    while (users_next(users, &position, &name))
        seen += name.len;
    assert_int_equal(seen, 3 + 7 + 4);
    users_unref(users);
}

static void a_line_that_is_none_makes_no_user(void **unused) /* vuln-06 */
{
    (void)unused;
    static const struct {
        const char *text;
        unsigned line, column;
    } rows[] = {
        {"ann\n", 1, 1},
        {":" SHA "\n", 1, 1},
        {" \n", 1, 1},
        {"ann:" SHA "\nann:" SHA "\n", 2, 1},
        {"ann:\n", 1, 5},
        {"ann:secret\n", 1, 5},
        {"ann:$6$c2FsdA==\n", 1, 5},
        {"ann:$6$c2FsdA==$\n", 1, 5},
        {"ann:$6$$aGFzaA==\n", 1, 5},
        {"ann:$5$c2FsdA==$aGFzaA==\n", 1, 5},
        {"ann:" PBKDF " \n", 1, 5},
        {"a\xff:" SHA "\n", 1, 1},
        {"a\x01:" SHA "\n", 1, 1},
        {"ok:" SHA "\nann:$7$101$c2FsdA==\n", 2, 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct complaint c = {0};
        assert_null(users_read(slice_of_str(rows[i].text), NULL, complain, &c));
        assert_int_equal(c.count, 1);
        if (c.line != rows[i].line || c.column != rows[i].column)
            fail_msg("row %zu: at %u:%u", i, c.line, c.column);
    }
}

static void a_damaged_file_never_has_another_user(void **unused) /* vuln-06 */
{
    (void)unused;
    static const char good[] = "ann:" ARGON "\nbob:" PBKDF "\n";
    char text[sizeof good];
    uint64_t seed = 42;
    for (int round = 0; round < 20000; round++) {
        memcpy(text, good, sizeof good);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t at = (size_t)(seed >> 33) % (sizeof good - 1);
        size_t len = sizeof good - 1;
        if (round & 1)
            text[at] = (char)(seed >> 20);
        else
            len = at; /* cut short */
        struct complaint c = {0};
        struct users *users = users_read(slice_of(text, len), NULL, complain, &c);
        if (!users) {
            assert_true(c.count > 0);
            continue;
        }
        assert_true(users_count(users) <= 2);
        assert_null(users_record(users, SLICE_EMPTY));
        users_unref(users);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_scheme),
        cmocka_unit_test(a_line_that_is_none_makes_no_user),
        cmocka_unit_test(a_damaged_file_never_has_another_user),
    };
    hash_start(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
