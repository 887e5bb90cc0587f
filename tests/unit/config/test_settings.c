/* Tests config/settings.c. */
#include "config/settings.h"
#include "tests/unit/config/expect.h"
#include "tests/unit/config/sample_schema.h"

static struct report report;
static struct sample_limits limits;

static int set_up(void **state)
{
    (void)state;
    report_init(&report, "f");
    limits = (struct sample_limits){0};
    assert_true(settings_defaults(&sample_limit_table, &limits));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    report_clear(&report);
    settings_clear(&sample_limit_table, &limits);
    return 0;
}

static void read_text(const char *text)
{
    struct node *map = node_parse(slice_of_str(text), &report);
    settings_read(&sample_limit_table, map, (struct place){1, 1}, NULL, &limits, &report);
    node_free(map);
}

static void what_is_left_out_has_its_default(void **state)
{
    (void)state;
    read_text("inflight: 5\nbanner: hi\n");
    assert_false(report_any(&report));
    assert_int_equal(limits.inflight, 5);
    assert_string_equal(limits.banner, "hi");
    assert_int_equal(limits.packet_size, 1 << 20);
    assert_int_equal(limits.queued, 1000);
    assert_true(limits.strict);
    assert_int_equal(limits.policy, 0);
    assert_null(limits.password);
}

static void no_map_and_an_empty_one_are_all_defaults(void **state)
{
    (void)state;
    settings_read(&sample_limit_table, NULL, (struct place){1, 1}, NULL, &limits, &report);
    read_text("~");
    read_text("{}");
    assert_false(report_any(&report));
    assert_int_equal(limits.inflight, 32);
}

static void every_mistake_is_reported_at_its_place(void **state)
{
    (void)state;
    read_text("infligth: 5\n"
              "queued: [1]\n"
              "strict: {}\n"
              "policy:\n"
              "packet_size: 5\n"
              "zebra: 1\n"
              "banner: fine\n");
    expect_report(&report, "f:1:1: infligth: unknown key; did you mean inflight?\n"
                           "f:2:9: queued: is a list, must be a count\n"
                           "f:3:9: strict: is a map, must be a bool\n"
                           "f:4:1: policy: has no value\n"
                           "f:5:14: packet_size: 5 is below 1KiB\n"
                           "f:6:1: zebra: unknown key; siotd --options lists all\n");
    assert_string_equal(limits.banner, "fine");
    assert_int_equal(limits.inflight, 32);
}

static void a_section_must_be_a_map(void **state)
{
    (void)state;
    read_text("[1, 2]");
    read_text("word");
    expect_report(&report, "f:1:1: limits: must be a map of keys and values\n"
                           "f:1:1: limits: must be a map of keys and values\n");
}

static void a_misspelt_required_key_is_one_mistake(void **state)
{
    (void)state;
    struct listener_settings settings = {0};
    struct node *map = node_parse(SLICE("nmae: x\nprotocol: mqtt\nbind: nowhere\n"), &report);
    assert_true(settings_defaults(&sample_listener_table, &settings));
    settings_read(&sample_listener_table, map, (struct place){1, 1}, NULL, &settings, &report);
    expect_report(&report,
                  "f:1:1: nmae: unknown key; did you mean name?\n"
                  "f:1:1: transport: is missing\n"
                  "f:3:7: bind: nowhere has no port: write address:port, [::]:port, *:port or "
                  "unix:/path\n");
    node_free(map);
    settings_clear(&sample_listener_table, &settings);
}

static void keys_of_others_are_passed_over_and_suggested(void **state)
{
    (void)state;
    static const char *const others[] = {"listeners", NULL};
    struct sample_top top = {0};
    struct node *map = node_parse(SLICE("listeners: 1\nlistener: 2\n"), &report);
    assert_true(settings_defaults(&sample_top_table, &top));
    settings_read(&sample_top_table, map, (struct place){1, 1}, others, &top, &report);
    expect_report(&report, "f:2:1: listener: unknown key; did you mean listeners?\n");
    node_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_left_out_has_its_default, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_map_and_an_empty_one_are_all_defaults, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_mistake_is_reported_at_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_section_must_be_a_map, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_misspelt_required_key_is_one_mistake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_of_others_are_passed_over_and_suggested, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
