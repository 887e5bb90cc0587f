/* Tests that config/ survives an allocator that fails, at every place where it can. */
#include "config/changes.h"
#include "tests/unit/config/expect.h"
#include "tests/unit/config/sample_schema.h"

#include <stdlib.h>

static long countdown = -1; /* calls until the one that fails; negative: none does */

static bool fails(void)
{
    return countdown >= 0 && countdown-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length)
{
    return fails() ? NULL : __real_strndup(text, length);
}

static const char text[] = "limits: {inflight: 5, banner: x, banner: y}\n"
                           "listeners: [{name: a, protocol: mqtt, transport: tcp, bind: '*:1'}]\n";
static const char good[] = "limits: {inflight: 5, banner: x}\n"
                           "listeners: [{name: a, protocol: mqtt, transport: tcp, bind: '*:1'}]\n";

/* Reads with the n-th allocation failing; returns whether one did fail. */
static bool read_failing(const char *from, long n, bool *loaded)
{
    struct report report;
    report_init(&report, "f");
    countdown = n;
    struct config *config = config_parse("f", slice_of_str(from), &sample_schema, &report);
    bool failed = countdown < 0;
    countdown = -1;
    *loaded = config != NULL;
    assert_int_equal(config == NULL, report_any(&report));
    config_free(config);
    report_clear(&report);
    return failed;
}

static void no_failure_is_taken_for_success(void **state)
{
    (void)state;
    bool loaded;
    long n = 0;
    for (; read_failing(good, n, &loaded); n++)
        assert_false(loaded);
    assert_true(loaded);
    assert_true(n > 20);
    for (n = 0; read_failing(text, n, &loaded); n++)
        assert_false(loaded);
    assert_false(loaded);
}

static void a_comparison_that_fails_is_empty(void **state)
{
    (void)state;
    struct report report;
    struct changes changes;
    report_init(&report, "f");
    struct config *a = config_parse("f", slice_of_str(good), &sample_schema, &report);
    struct config *b = config_parse(
        "f", SLICE("listeners: [{name: b, protocol: mqtt, transport: tcp, bind: '*:1'}]"),
        &sample_schema, &report);
    for (long n = 0; n < 4; n++) {
        countdown = n;
        assert_int_not_equal(changes_find(a, b, &changes), 0);
        assert_int_equal(changes.count, 0);
    }
    countdown = -1;
    assert_int_equal(changes_find(a, b, &changes), 0);
    assert_int_equal(changes.count, 4);
    changes_clear(&changes);
    config_free(a);
    config_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_failure_is_taken_for_success),
        cmocka_unit_test(a_comparison_that_fails_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
