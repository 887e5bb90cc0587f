/* Tests daemon/settings.c. */
#include "config/value.h"
#include "daemon/durability.h"
#include "daemon/modules.h"
#include "daemon/settings.h"
#include "tests/unit/config/expect.h"
#include "tests/unit/usual_limits.h"

#include <stdlib.h>

#define LISTENER_FLOW "listeners: [{name: a, protocol: mqtt, transport: tcp, bind: '*:1'}]"
#define LISTENER      LISTENER_FLOW "\n"

static struct report report;

static struct config *parse(const char *text)
{
    report_init(&report, "f");
    return config_parse("f", slice_of_str(text), modules_schema(), &report);
}

static void the_log_goes_to_a_known_place(void **state)
{
    (void)state;
    static const char *const good[] = {"stderr", "syslog", "journal", "/var/log/siotd.log"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "log: {to: %s}\n" LISTENER, good[i]);
        struct config *config = parse(text);
        assert_non_null(config);
        assert_string_equal(process_log(config, false).to, good[i]);
        config_free(config);
    }
    assert_null(parse("log:\n  level: info\n  to: stdout\n" LISTENER));
    expect_report(&report, "f:3:7: to: must be stderr, syslog, journal or an absolute path\n");
    report_clear(&report);
}

static void every_mistake_about_the_log_is_reported_at_once(void **state)
{
    (void)state;
    assert_null(parse("log: {to: rel, level: loud, format: xml}\n" LISTENER));
    expect_report(&report, "f:1:11: to: must be stderr, syslog, journal or an absolute path\n"
                           "f:1:23: level: loud is none of error, warning, info, debug\n"
                           "f:1:37: format: xml is none of text, json\n");
    report_clear(&report);
}

static void verbose_wins_over_the_file(void **state)
{
    (void)state;
    struct config *config = parse("log: {level: error, format: json}\n" LISTENER);
    assert_non_null(config);
    assert_int_equal(process_log(config, false).level, LOG_ERROR);
    assert_int_equal(process_log(config, true).level, LOG_DEBUG);
    assert_int_equal(process_log(config, true).format, LOG_JSON);
    config_free(config);
    config = parse(LISTENER);
    assert_int_equal(process_log(config, false).level, LOG_INFO);
    assert_int_equal(process_log(config, false).format, LOG_TEXT);
    assert_string_equal(process_log(config, false).to, "stderr");
    assert_int_equal(((struct process_settings *)config_section(config, ""))->sys_interval, 10000);
    config_free(config);
}

static const struct process_settings *process_of(const struct config *config)
{
    return config_section(config, "");
}

static struct config *parse_at(const char *path, const char *text)
{
    report_init(&report, path);
    return config_parse(path, slice_of_str(text), modules_schema(), &report);
}

static void data_dir_is_relative_to_the_configuration(void **state)
{
    (void)state;
    struct config *config = parse_at("/etc/siotd/siotd.yaml", "data_dir: data\n" LISTENER);
    assert_non_null(config);
    assert_string_equal(process_of(config)->data_dir, "/etc/siotd/data");
    assert_int_equal(process_of(config)->durability, DURABILITY_FLUSH);
    config_free(config);
    config = parse_at("/etc/siotd/siotd.yaml", "data_dir: /var/lib/siotd\n" LISTENER);
    assert_string_equal(process_of(config)->data_dir, "/var/lib/siotd");
    config_free(config);
    config = parse("data_dir: data\n" LISTENER);
    assert_string_equal(process_of(config)->data_dir, "data");
    config_free(config);
}

static void durability_without_a_place_is_a_mistake(void **state)
{
    (void)state;
    assert_null(parse("durability: write\n" LISTENER));
    expect_report(&report, "f:1:13: durability: needs data_dir, where to keep it\n");
    report_clear(&report);
    struct config *config = parse("durability: memory\n" LISTENER);
    assert_non_null(config);
    config_free(config);
}

static void the_metrics_file_needs_a_time(void **state)
{
    (void)state;
    assert_null(parse("metrics_file: m.prom\nsys_interval: unlimited\n" LISTENER));
    expect_report(&report, "f:1:15: metrics_file: needs a sys_interval that is not unlimited\n");
    report_clear(&report);
    struct config *config = parse("metrics_file: m.prom\n" LISTENER);
    assert_non_null(config);
    assert_string_equal(process_of(config)->metrics_file, "m.prom");
    config_free(config);
    config = parse("sys_interval: unlimited\n" LISTENER);
    assert_non_null(config);
    assert_null(process_of(config)->metrics_file);
    config_free(config);
}

/* Tests below the configuration stand on a list of their own. */
static void the_usual_limits_of_other_tests_are_the_defaults(void **state)
{
    (void)state;
    struct config *config = parse(LISTENER);
    struct broker_limits usual = usual_limits();
    assert_non_null(config);
    for (size_t i = 0; i < broker_limit_options.count; i++) {
        const struct option_row *row = &broker_limit_options.rows[i];
        if (!value_equal(row, config_section(config, "limits"), &usual))
            fail_msg("%s", row->name);
    }
    config_free(config);
}

static void expect_text(const char *file, const char *wanted)
{
    char text[DURABILITY_TEXT_SIZE];
    struct config *config = parse(file);
    assert_non_null(config);
    assert_string_equal(durability_text(config, text), wanted);
    config_free(config);
}

static void one_line_says_what_survives_what(void **state)
{
    (void)state;
    expect_text(LISTENER, "memory only: nothing survives a restart");
    expect_text("{data_dir: /d, durability: memory, " LISTENER_FLOW "}",
                "memory only: nothing survives a restart");
    expect_text("data_dir: /d\n" LISTENER,
                "flush: what is acknowledged survives power loss; kept in /d");
    expect_text("{data_dir: /d, durability: write, " LISTENER_FLOW "}",
                "write: what is acknowledged survives the process, not the machine; kept in /d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_goes_to_a_known_place),
        cmocka_unit_test(every_mistake_about_the_log_is_reported_at_once),
        cmocka_unit_test(verbose_wins_over_the_file),
        cmocka_unit_test(data_dir_is_relative_to_the_configuration),
        cmocka_unit_test(durability_without_a_place_is_a_mistake),
        cmocka_unit_test(the_metrics_file_needs_a_time),
        cmocka_unit_test(the_usual_limits_of_other_tests_are_the_defaults),
        cmocka_unit_test(one_line_says_what_survives_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
