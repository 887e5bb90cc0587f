/* Tests of password: against records that Mosquitto's own tool makes while the test runs, and
 * against hostile ones. */
#include "transports/password.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* The record that mosquitto_passwd makes; false when it is not installed. */
static bool mosquitto_record(const char *options, const char *password, char record[256])
{
    char path[] = "/tmp/siotd-password-XXXXXX", command[512], line[256];
    if (system("command -v mosquitto_passwd >/dev/null") != 0)
        return false;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(command, sizeof(command), "mosquitto_passwd %s -b %s user '%s' 2>/dev/null", options,
             path, password);
    assert_int_equal(system(command), 0);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    unlink(path);
    line[strcspn(line, "\n")] = '\0';
    assert_memory_equal(line, "user:", 5);
    snprintf(record, 256, "%s", line + 5);
    return true;
}

static void judge_mosquitto(const char *options, const char *scheme)
{
    static const char *const passwords[] = {"x", "correct horse battery staple",
                                            "gr\xc3\xbc\xc3\x9f"};
    for (size_t i = 0; i < 3; i++) {
        char record[256];
        if (!mosquitto_record(options, passwords[i], record)) {
            printf("SKIP mosquitto_passwd is not installed\n");
            skip();
        }
        assert_memory_equal(record, scheme, strlen(scheme));
        const char *mistake = password_mistake(record);
        if (mistake && strstr(mistake, "without TLS")) {
            assert_false(password_verify(record, slice_of_str(passwords[i])));
            skip(); /* a build without wolfCrypt */
        }
        assert_null(password_mistake(record));
        assert_true(password_verify(record, slice_of_str(passwords[i])));
        assert_false(password_verify(record, SLICE("y")));
        assert_false(password_verify(record, slice_of(passwords[i], strlen(passwords[i]) - 1)));
        assert_false(password_verify(record, SLICE_EMPTY));
    }
}

static void what_mosquitto_2_writes_is_verified(void **state)
{
    (void)state;
    judge_mosquitto("", "$7$101$");
}

static void what_mosquitto_1_writes_is_verified(void **state)
{
    (void)state;
    judge_mosquitto("-H sha512", "$6$");
}

/* SHA-512 of "secret" and the salt "saltsalt1234", by another implementation. */
static void a_known_sha512_record_is_verified(void **state)
{
    (void)state;
    static const char record[] =
        "$6$c2FsdHNhbHQxMjM0$/0C1FrmgYAJVf4u5SX25qtl6BLuzCQ3pnatuw8/FbVp02lFNUTA6iMk28G7K"
        "K5mKe/CaMR0Pe2DIa2KARlJ2cA==";
    if (password_mistake(record))
        skip(); /* a build without wolfCrypt */
    assert_true(password_verify(record, SLICE("secret")));
    assert_false(password_verify(record, SLICE("Secret")));
}

static void a_known_pbkdf2_record_is_verified(void **state)
{
    (void)state;
    static const char record[] =
        "$7$1000$c2FsdHNhbHQxMjM0$0ttuOKjyr/sL9Mpcj9RziFx9al3jIgsjOh4/AU0E/4JJj9sW/sjk6CG"
        "dQGF/PgsW7TEvsJ1sBKBzrCzK0gavAw==";
    if (password_mistake(record))
        skip();
    assert_true(password_verify(record, SLICE("secret")));
    assert_false(password_verify(record, SLICE("secre")));
}

static void records_made_here_are_verified_here(void **state)
{
    (void)state;
    char one[PASSWORD_RECORD_SIZE], two[PASSWORD_RECORD_SIZE];
    struct slice password = SLICE("p\0ss"); /* MQTT's are any bytes */
    assert_int_equal(password_make_argon2id(one, password), 0);
    assert_int_equal(password_make_argon2id(two, password), 0);
    assert_memory_equal(one, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
    assert_string_not_equal(one, two);
    assert_null(password_mistake(one));
    assert_true(password_verify(one, password));
    assert_true(password_verify(two, password));
    assert_false(password_verify(one, SLICE("p")));
    int made = password_make_pbkdf2(one, password, 1000);
    if (made == -ENOTSUP)
        return;
    assert_int_equal(made, 0);
    assert_memory_equal(one, "$7$1000$", 8);
    assert_null(password_mistake(one));
    assert_true(password_verify(one, password));
    assert_false(password_verify(one, SLICE("p")));
}

static void what_cannot_be_a_password_becomes_no_record(void **state)
{
    (void)state;
    static uint8_t huge[PASSWORD_LEN_MAX + 1];
    char record[PASSWORD_RECORD_SIZE];
    assert_int_equal(password_make_argon2id(record, SLICE_EMPTY), -EINVAL);
    assert_int_equal(password_make_argon2id(record, slice_of(huge, sizeof(huge))), -EINVAL);
    assert_int_equal(password_make_pbkdf2(record, SLICE("x"), 0), -EINVAL);
    assert_int_equal(password_make_pbkdf2(record, SLICE("x"), 10000001), -EINVAL);
}

static void nobody_is_well_formed_and_has_no_password(void **state)
{
    (void)state;
    assert_null(password_mistake(password_of_nobody));
    assert_non_null(strstr(password_of_nobody, "$m=19456,t=2,p=1$"));
    assert_false(password_verify(password_of_nobody, SLICE("nobody")));
}

#define SALT "c2FsdHNhbHQxMjM0"
#define HASH                                                                                       \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="

static void records_with_a_mistake_are_named_and_fit_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "plain",
        "$",
        "$7",
        "$7$",
        "$6$",
        "$5$" SALT "$" HASH,
        "$argon2i$v=19$m=8,t=1,p=1$a$b",
        "$7$0$" SALT "$" HASH,
        "$7$-1$" SALT "$" HASH,
        "$7$01$" SALT "$" HASH,
        "$7$10000001$" SALT "$" HASH,
        "$7$99999999999$" SALT "$" HASH,
        "$7$1 $" SALT "$" HASH,
        "$7$1$$" HASH,
        "$7$1$" SALT "$",
        "$7$1$" SALT,
        "$7$1$" SALT "$AAAA",
        "$7$1$!$" HASH,
        "$7$1$" SALT "$" HASH "$",
        "$7$1$" HASH HASH "$" HASH,
        "$6$" SALT,
        "$6$$" HASH,
        "$6$" SALT "$" HASH "AAAA",
        "$argon2id$",
        "$argon2id$v=19$",
        "$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=1048577,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=64,t=65,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=64,t=0,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=64,t=1,p=17$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=7,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=64,t=1,p=1,x=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$t=1,m=64,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=64,t=1,p=1$$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAA",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA$",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (!password_mistake(wrong[i]))
            fail_msg("taken: %s", wrong[i]);
        assert_false(password_verify(wrong[i], SLICE("x")));
        assert_false(password_verify(wrong[i], slice_of_str(wrong[i])));
    }
}

static void a_record_cut_anywhere_fits_nothing(void **state)
{
    (void)state;
    char record[PASSWORD_RECORD_SIZE];
    int made = password_make_pbkdf2(record, SLICE("x"), 1);
    if (made == -ENOTSUP)
        skip();
    assert_int_equal(made, 0);
    for (size_t len = strlen(record); len-- > 0;) {
        record[len] = '\0';
        assert_false(password_verify(record, SLICE("x")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_mosquitto_2_writes_is_verified),
        cmocka_unit_test(what_mosquitto_1_writes_is_verified),
        cmocka_unit_test(a_known_sha512_record_is_verified),
        cmocka_unit_test(a_known_pbkdf2_record_is_verified),
        cmocka_unit_test(records_made_here_are_verified_here),
        cmocka_unit_test(what_cannot_be_a_password_becomes_no_record),
        cmocka_unit_test(nobody_is_well_formed_and_has_no_password),
        cmocka_unit_test(records_with_a_mistake_are_named_and_fit_nothing),
        cmocka_unit_test(a_record_cut_anywhere_fits_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
