/* Tests config/changes.c. */
#include "config/changes.h"
#include "tests/unit/config/expect.h"
#include "tests/unit/config/sample_schema.h"

static const char old_text[] =
    "limits: {inflight: 32, password: geheim, banner: a}\n"
    "listeners:\n"
    "  - {name: one, protocol: mqtt, transport: tcp, bind: '*:1'}\n"
    "  - {name: two, protocol: mqtt, transport: tcp, bind: '*:2', anonymous: true}\n";
static const char new_text[] =
    "sys_interval: 1m\n"
    "limits: {inflight: 64, password: secret, queued: 5}\n"
    "listeners:\n"
    "  - {name: three, protocol: mqtt, transport: tcp, bind: '*:3'}\n"
    "  - {name: one, protocol: mqtt, transport: tcp, bind: '*:11', anonymous: true}\n";

static struct config *parse(const char *text)
{
    struct report report;
    report_init(&report, "f");
    struct config *config = config_parse("f", slice_of_str(text), &sample_schema, &report);
    expect_report(&report, "");
    report_clear(&report);
    return config;
}

static void show(const struct changes *changes, char *to)
{
    char key[CHANGE_KEY_SIZE], before[VALUE_TEXT_SIZE], after[VALUE_TEXT_SIZE], line[1024];
    to[0] = '\0';
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->all[i];
        snprintf(line, sizeof(line), "%s: %s -> %s%s", change_key(change, key),
                 change_old(change, before), change_new(change, after),
                 change_reloadable(change) ? "" : " (restart)");
        expect_append(to, line);
    }
}

static void every_key_that_differs_is_found(void **state)
{
    (void)state;
    struct config *running = parse(old_text), *wanted = parse(new_text);
    struct changes changes;
    char text[8192];
    assert_int_equal(changes_find(running, wanted, &changes), 0);
    show(&changes, text);
    assert_string_equal(text, "sys_interval: 10s -> 1m\n"
                              "limits.inflight: 32 -> 64\n"
                              "limits.queued: 1000 -> 5 (restart)\n"
                              "limits.banner: a -> (none)\n"
                              "limits.password: *** -> ***\n"
                              "listeners.one.bind: *:1 -> *:11 (restart)\n"
                              "listeners.one.anonymous: false -> true\n"
                              "listeners.two: present -> absent (restart)\n"
                              "listeners.three: absent -> present (restart)\n");
    changes_clear(&changes);
    assert_int_equal(changes_find(running, running, &changes), 0);
    assert_int_equal(changes.count, 0);
    changes_clear(&changes);
    config_free(running);
    config_free(wanted);
}

static void adopted_members_change_where_they_are(void **state)
{
    (void)state;
    struct config *running = parse(old_text), *wanted = parse(new_text);
    const struct sample_limits *limits = config_section(running, "limits");
    const struct listener_settings *one = config_listener(running, "one");
    struct changes changes;
    char text[8192];
    assert_int_equal(changes_find(running, wanted, &changes), 0);
    for (size_t i = 0; i < changes.count; i++)
        if (change_reloadable(&changes.all[i]))
            change_adopt(&changes.all[i]);
    changes_clear(&changes);
    assert_int_equal(limits->inflight, 64);
    assert_int_equal(limits->queued, 1000);
    assert_null(limits->banner);
    assert_string_equal(limits->password, "secret");
    assert_true(one->anonymous);
    assert_string_equal(one->bind, "*:1");

    config_free(wanted);
    wanted = parse(new_text);
    assert_int_equal(changes_find(running, wanted, &changes), 0);
    show(&changes, text); /* what needs a restart is said again */
    assert_string_equal(text, "limits.queued: 1000 -> 5 (restart)\n"
                              "listeners.one.bind: *:1 -> *:11 (restart)\n"
                              "listeners.two: present -> absent (restart)\n"
                              "listeners.three: absent -> present (restart)\n");
    changes_clear(&changes);
    config_free(running);
    config_free(wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_that_differs_is_found),
        cmocka_unit_test(adopted_members_change_where_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
