/* Tests daemon/settings.c. */
#include "daemon/modules.h"
#include "daemon/settings.h"
#include "tests/unit/config/expect.h"

#include <stdlib.h>

#define LISTENER "listeners: [{name: a, protocol: mqtt, transport: tcp, bind: '*:1'}]\n"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_goes_to_a_known_place),
        cmocka_unit_test(every_mistake_about_the_log_is_reported_at_once),
        cmocka_unit_test(verbose_wins_over_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
